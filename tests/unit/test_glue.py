"""A glued number reaches the prose as it was printed."""

import sys

from myst_nb.core.variables import format_plain_text
import pytest

from pooling import glue


@pytest.mark.parametrize(
    ("value", "fmt", "expected"),
    [(2.8, ".2f", "2.80"), (-0.5, ".1f", "−0.5"), (7185, "d", "7185"), ("ten", "", "ten")],
)
def test_the_prose_shows_every_digit_that_was_asked_for(monkeypatch, value, fmt, expected):
    shown = []

    class Shell:
        get_ipython = staticmethod(lambda: object())

        class display:
            display = staticmethod(lambda data, **_: shown.append(data))

    monkeypatch.setitem(sys.modules, "IPython", Shell)
    glue("key", value, fmt)
    (data,) = shown
    text = data["application/papermill.record/text/plain"]
    assert format_plain_text(text, "s") == expected
