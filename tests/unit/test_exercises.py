"""The check of an exercise: lenient within Monte Carlo error, and plain beyond it."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pooling import exercises
from pooling.exercises import answer, compare


def report(given, *criteria, **answers) -> str:
    """The report on a student's variables, through JSON as the wheel has it."""
    record = {"label": "ex", "answers": answers, "criteria": list(criteria)}
    return "\n".join(compare(json.loads(json.dumps(record)), given))


TAU = answer(
    6.6,
    "posterior mean of tau",
    mcse=0.05,
    within=0.0,
    slips={"did you take the mode?": 3.1},
)


@pytest.mark.parametrize("tau", [6.6, 6.6 + 4 * 0.05 * 2**0.5 - 1e-9, 6.35])
def test_two_runs_of_a_sampler_may_differ(tau):
    assert report({"tau": tau}, tau=TAU).startswith("✓ tau")


def test_beyond_four_standard_errors_it_is_wrong_and_by_how_much():
    line = report({"tau": 8.0}, tau=TAU)
    assert line == "✗ your tau is 8.00; expected 6.6 ± 0.3: too large by 1.4"
    assert "too small by 2.6" in report({"tau": 4.0}, tau=TAU)
    assert report({"tau": 7.0}, tau=TAU).endswith("too large by 0.4, and close")


def test_a_shorter_run_is_given_its_own_error():
    assert report({"tau": 7.0}, tau=TAU).startswith("✗")
    assert report({"tau": 7.0, "tau_mcse": 0.2}, tau=TAU).startswith("✓")
    assert report({"tau": 6.9, "tau_mcse": 0.0}, tau=TAU).startswith("✗")


def test_a_slip_that_the_author_foresaw_is_named():
    assert report({"tau": 3.0}, tau=TAU).endswith("± 0.3: did you take the mode?")


@pytest.mark.parametrize(
    ("found", "value", "says"),
    [
        (-2.0, 2.0, "sign"),
        (0.3, 30.0, "a share where per cent are asked"),
        (30.0, 0.3, "per cent where a share is asked"),
        (9.0, 3.0, "a variance where an sd is asked"),
        (3.0, 9.0, "an sd where a variance is asked"),
        (0.2, 0.8, "the opposite"),
        (4.0, 0.25, "upside down"),
        (np.inf, 0.25, "not a finite number"),
    ],
)
def test_a_usual_slip_is_guessed(found, value, says):
    assert says in report({"x": found}, x=answer(value, "a number"))


def test_a_share_is_not_taken_for_a_variance():
    share = answer(0.4, "share of the schools with a wide interval", within=0.01)
    assert report({"x": 0.16}, x=share).endswith("too small by 0.24")


def test_a_near_miss_is_no_usual_slip():
    half = answer(0.5, "a probability", within=0.02)
    assert report({"p": 0.525}, p=half).endswith("too large by 0.03, and close")


@pytest.mark.parametrize("blank", [None, ..., np.nan, "", "  "])
def test_what_is_blank_is_not_answered_yet(blank):
    assert report({"tau": blank}, tau=TAU) == "– tau: not answered yet"
    assert report({}, tau=TAU) == "– tau: not answered yet"


@pytest.mark.parametrize("given", [6.6, np.float32(6.6), [6.6], xr.DataArray(6.6)])
def test_one_number_may_come_in_a_box(given):
    assert report({"tau": given}, tau=TAU).startswith("✓")


def test_what_is_no_number_is_told_so():
    line = report({"tau": "big"}, tau=TAU)
    assert line == "✗ your tau is a str; expected one number: posterior mean of tau"
    line = report({"tau": [1.0, 2.0]}, tau=TAU)
    assert "has 2 numbers; expected 1: posterior mean of tau" in line
    assert "is a function" in report({"tau": report}, tau=TAU)


RISKS = answer(pd.Series({1.0: 0.2, 4.0: 0.5, 30.0: 0.9}), "risk, by nu", within=0.01)

COVER = answer([50.0, 90.0], "per cent", slips={"those are widths": [1.0, 2.0]})


@pytest.mark.parametrize(
    "given",
    [
        [0.2, 0.5, 0.9],
        np.array([0.205, 0.495, 0.9]),
        {30: 0.9, 1: 0.2, 4: 0.5},
        {"low": 0.2, "middle": 0.5, "high": 0.9},
        pd.Series({4: 0.5, 1: 0.2, 30: 0.9}),
    ],
)
def test_several_numbers_in_order_or_by_name(given):
    assert report({"risks": given}, risks=RISKS) == "✓ risks: 0.20, 0.50, 0.90".replace(
        "0.20, 0.50", "0.20, 0.49" if isinstance(given, np.ndarray) else "0.20, 0.50"
    )


def test_of_several_numbers_the_worst_is_named():
    line = report({"risks": [0.22, 0.5, 0.2]}, risks=RISKS)
    assert line == (
        "✗ your risks: 2 of 3 off; for 30 it is 0.200, expected 0.90 ± 0.01"
    )
    assert "a share where" in report({"cover": [0.5, 0.9]}, cover=COVER)
    assert report({"cover": [1.0, 2.0]}, cover=COVER).endswith(": those are widths")
    half = report({"risks": [0.2, ..., 0.9]}, risks=RISKS)
    assert "1 of 3 off; for 4 it is nan" in half
    assert "not answered yet" in report({"risks": [..., ..., None]}, risks=RISKS)
    assert "has 2 numbers; expected 3" in report({"risks": [1, 2]}, risks=RISKS)


def test_a_name_is_compared_without_its_case():
    best = answer("Lac Qui Parle", "county", slips={"that is the mode": "Dakota"})
    assert report({"best": " lac qui parle "}, best=best) == "✓ best: Lac Qui Parle"
    assert report({"best": "Dakota"}, best=best).endswith(": that is the mode")
    line = report({"best": "Anoka"}, best=best)
    assert line == "✗ your best is 'Anoka'; expected 'Lac Qui Parle'"
    assert "not answered" in report({"best": ""}, best=best)


def test_words_are_not_marked_but_given_criteria():
    assert report({}, "it depends") == "– in_words: not answered yet"
    lines = report({"in_words": "I think so."}, "it depends", "on tau").splitlines()
    assert "only you can judge" in lines[0]
    assert lines[1:] == ["  ☐ it depends", "  ☐ on tau"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((1.0, " "), "in words"),
        ((np.nan, "x"), "finite"),
        ((np.zeros((2, 2)), "x"), "finite"),
        ((0.0, "x"), "needs within= or mcse="),
    ],
)
def test_a_check_that_could_not_be_met_is_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        answer(*arguments)


@pytest.mark.parametrize(
    ("value", "slip"), [(1.0, 1.001), ("A", "A"), ([1.0, 2.0], [1.0, 2.0])]
)
def test_a_slip_must_differ_from_the_answer(value, slip):
    with pytest.raises(ValueError, match="answer"):
        answer(value, "x", slips={"no": slip})


def test_an_exercise_without_anything_to_compare_is_refused():
    with pytest.raises(ValueError, match="an answer or a criterion"):
        exercises.expect("ex-a-1")


def test_a_notebook_keeps_the_answers_and_shows_nothing(displayed):
    exercises.expect("ex-a-1", "it depends", tau=TAU)
    (output,) = displayed
    assert list(output["data"]) == [exercises.RECORD]
    record = output["data"][exercises.RECORD]
    assert record == json.loads(json.dumps(record))
    assert record["label"] == "ex-a-1" and record["answers"]["tau"]["value"] == 6.6


@pytest.fixture
def answers(tmp_path, monkeypatch):
    """The file that a wheel carries."""
    file = tmp_path / "exercises.json"
    monkeypatch.setattr(exercises, "ANSWERS", file)
    return file


def test_the_student_s_variables_are_found(answers, capsys):
    record = {"label": "ex-a-1", "answers": {"tau": TAU}, "criteria": []}
    answers.write_text(json.dumps({"ex-a-1": record}), encoding="utf-8")
    exercises.check("ex-a-1")
    assert capsys.readouterr().out == "– tau: not answered yet\n"
    tau = 6.6
    exercises.check("ex-a-1")
    assert capsys.readouterr().out == f"✓ tau: {tau}\n"
    with pytest.raises(LookupError, match="no exercise 'ex-a-2'"):
        exercises.check("ex-a-2")


def test_a_module_without_answers_says_where_they_are(answers):
    with pytest.raises(LookupError, match="first cell"):
        exercises.check("ex-a-1")
