"""Does a number reach the prose as it should be printed?"""

import ast
import decimal
import fractions
import json

import numpy as np
import pytest
import xarray as xr

import pooling
from pooling import _glue

TEXT = "application/papermill.record/text/plain"


def record(displayed) -> dict:
    """The one record that was left, as a notebook file would keep it."""
    (output,) = displayed
    record = json.loads(json.dumps(output["data"][_glue.RECORD]))
    # A literal: myst-nb evaluates it, and would print 2.8 for a bare 2.80.
    assert ast.literal_eval(output["data"][TEXT]) == record["text"]
    assert output["metadata"]["scrapbook"]["name"] == record["key"]
    return record


@pytest.mark.parametrize(
    ("value", "fmt", "text"),
    [
        (1.005, ".1f", "1.0"),
        (-2.345, ".1f", "−2.3"),
        (-0.001, ".2f", "0.00"),
        (2.8, ".2f", "2.80"),
        (919, "d", "919"),
        (919, ",d", "919"),
        (12345.6, ",.0f", "12,346"),
        (np.float64(0.5), ".2f", "0.50"),
        (np.float32(0.5), ".2f", "0.50"),
        (np.int64(-3), "d", "−3"),
        (np.int8(3), "d", "3"),
        (np.array(0.25), ".2f", "0.25"),
        (np.array([0.25]), ".2f", "0.25"),
        (xr.DataArray(-0.25), ".2f", "−0.25"),
        (fractions.Fraction(1, 4), ".2f", "0.25"),
        ("between 3 and 5", ".2f", "between 3 and 5"),
        ("semi-detached", ".2f", "semi-detached"),
    ],
)
def test_numbers_and_strings_are_printed(displayed, value, fmt, text):
    assert pooling.glue("chapter-key", value, fmt) is None
    assert record(displayed)["text"] == text


def test_two_decimals_unless_said_otherwise(displayed):
    pooling.glue("chapter-key", 2 / 3)
    found = record(displayed)
    assert found == {"key": "chapter-key", "value": 2 / 3, "text": "0.67", "mcse": None}


def test_the_record_keeps_the_number_as_it_is(displayed):
    pooling.glue("chapter-key", np.float64(-1.23456), ".1f", mcse=np.float64(0.01))
    found = record(displayed)
    assert found["value"] == -1.23456 and found["mcse"] == 0.01


def test_a_string_has_no_value(displayed):
    pooling.glue("chapter-key", "many")
    assert record(displayed)["value"] is None


@pytest.mark.parametrize("key", ["", "  ", None, 3])
def test_a_key_is_a_name(key):
    with pytest.raises(ValueError, match="key must be a name"):
        pooling.glue(key, 1.0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, np.float32("nan")])
def test_a_number_is_finite(value):
    with pytest.raises(ValueError, match="value must be finite"):
        pooling.glue("chapter-key", value)


@pytest.mark.parametrize(
    "value",
    [True, np.True_, None, [1.0], np.zeros(2), 1j, {"a": 1}, decimal.Decimal("1.5")],
)
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="value must be a finite number or a string"):
        pooling.glue("chapter-key", value)


@pytest.mark.parametrize("mcse", [-0.1, np.nan, np.inf, True, "0.1"])
def test_a_monte_carlo_error_is_a_number_and_not_negative(mcse):
    with pytest.raises(ValueError, match="mcse must"):
        pooling.glue("chapter-key", 1.0, mcse=mcse)


def test_outside_of_a_notebook_it_prints_nothing(capsys):
    pooling.glue("chapter-key", 1.0)
    assert capsys.readouterr().out == ""


def test_bad_arguments_leave_no_record(displayed):
    with pytest.raises(ValueError):
        pooling.glue("chapter-key", np.nan)
    assert displayed == []
