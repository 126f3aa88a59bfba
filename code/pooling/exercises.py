"""Check answers to the book's exercises: `check` says what is off, and by how much.

A solution leaves its answers with `expect` when the book is built, each with its
Monte Carlo standard error. They travel with the module as a file, so that a
notebook needs to know no more than the label of its exercise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import json
import math
import numbers
from pathlib import Path
import re
import sys

import numpy as np

from pooling import _records

__all__ = ["answer", "check", "compare", "expect"]

#: The MIME type of the record that :func:`expect` leaves in a cell's output.
RECORD = _records.EXERCISE
#: Where an installed module has the answers, by label.
ANSWERS = Path(__file__).parent / "_data" / "exercises.json"
#: How many standard errors two computations of the same number may be apart.
ERRORS = 4
#: The name under which a student answers in words.
WORDS = "in_words"


def check(label: str) -> None:
    """Compare your answers to an exercise with the book's, and say what is off.

    It looks for variables of the names that the exercise asks for. An answer may
    be off by four times the Monte Carlo standard error of the difference. Yours is
    taken to be as large as the book's; if it is not, define it beside the answer:
    ``p_best_mcse`` belongs to ``p_best``.

    Parameters
    ----------
    label : str
        The exercise, such as ``"ex-radon-1"``.

    Raises
    ------
    LookupError
        If the installed module does not know the exercise.
    """
    given = {**sys._getframe(1).f_globals, **sys._getframe(1).f_locals}
    print("\n".join(compare(_read(label), given)))


def answer(
    value,
    what: str,
    *,
    mcse=0.0,
    within: float | None = None,
    slips: Mapping[str, object] | None = None,
) -> dict:
    """What a student's variable is to hold.

    Parameters
    ----------
    value : float, str, sequence of float, or Series or dict of name to float
        The answer.
    what : str
        What it is, in words: the notebook says so beside the variable's name.
    mcse : float or sequence of float, default 0
        The Monte Carlo standard error of a value that comes from draws.
    within : float, optional
        How far an answer may be off besides, through rounding or a grid: half a
        per cent of the (largest) value unless said otherwise.
    slips : dict of str to float or str, optional
        Wrong answers that are to be expected, by what to say of each.

    Returns
    -------
    dict
        Fit for JSON.

    Raises
    ------
    ValueError
        If a value is not finite, if nothing but the very same number would do, or
        if a slip cannot be told from the answer.
    """
    if not what.strip():
        raise ValueError("what must say in words what the answer is")
    slips = {said: _plain(wrong, said) for said, wrong in (slips or {}).items()}
    plain, record = _plain(value, what), {"what": what}
    if isinstance(plain, str):
        if plain in slips.values():
            raise ValueError(f"slips hold the answer itself, {plain!r}")
        return {**record, "value": plain, "slips": slips}
    if isinstance(plain, dict):
        record["entries"], plain = list(plain), list(plain.values())
    size = np.max(np.abs(plain))
    record |= {
        "value": plain,
        "mcse": _plain(mcse, "mcse"),
        "within": float(0.005 * size if within is None else within),
        "slips": slips,
    }
    allowed = _tolerance(record)
    if not np.all(allowed > 0):
        raise ValueError(
            f"{what!r} needs within= or mcse=: with a value of {plain} there is no "
            "telling how far an answer may be off"
        )
    for said, wrong in slips.items():
        if np.shape(wrong) == np.shape(plain) and _agrees(wrong, plain, allowed):
            raise ValueError(f"{said!r} cannot be told from the answer: {wrong}")
    return record


def expect(label: str, *criteria: str, **answers: dict) -> None:
    """Leave the answers of an exercise in the executed book; shows nothing.

    Parameters
    ----------
    label : str
        The exercise, such as ``"ex-radon-1"``.
    *criteria : str
        What a good answer in words says: a student who has written one under the
        name ``in_words`` gets this list to compare it with.
    **answers : dict
        By the name of the student's variable, what `answer` returns.

    Raises
    ------
    ValueError
        If there is neither an answer nor a criterion.
    """
    if not answers and not criteria:
        raise ValueError(f"{label} needs an answer or a criterion")
    record = {"label": label, "answers": answers, "criteria": list(criteria)}
    _records.leave({RECORD: record})


def compare(exercise: dict, given: Mapping[str, object]) -> list[str]:
    """The lines of a report: one an answer, and the criteria for words.

    Parameters
    ----------
    exercise : dict
        As `expect` leaves it.
    given : mapping of str to object
        The student's variables.

    Returns
    -------
    list of str
        Each begins with ✓, ✗ or –, for right, wrong and not yet answered.
    """
    lines = [
        _verdict(name, expected, given)
        for name, expected in exercise["answers"].items()
    ]
    if not exercise["criteria"]:
        return lines
    if _blank(given.get(WORDS)):
        return [*lines, f"– {WORDS}: not answered yet"]
    return [
        *lines,
        f"• {WORDS}: only you can judge. A good answer says that",
        *(f"  ☐ {criterion}" for criterion in exercise["criteria"]),
    ]


def _read(label: str) -> dict:
    """The answers of an exercise, from the file that the wheel carries."""
    if not ANSWERS.exists():
        raise LookupError(
            "the answers come with the book's wheel, and this module was installed "
            "without them: run the notebook's first cell"
        )
    known = json.loads(ANSWERS.read_text(encoding="utf-8"))
    if label not in known:
        raise LookupError(
            f"the installed module knows no exercise {label!r}: it and the notebook "
            "are of different ages. Run the notebook's first cell again"
        )
    return known[label]


def _verdict(name: str, expected: dict, given: Mapping[str, object]) -> str:
    """One line on one answer."""
    found = given.get(name)
    if _blank(found):
        return f"– {name}: not answered yet"
    value = expected["value"]
    if isinstance(value, str):
        return _verdict_on_words(name, expected, found)
    try:
        array = _numbers(found, expected)
    except (TypeError, ValueError):
        kind = type(found).__name__
        what = "one number" if np.ndim(value) == 0 else f"{len(value)} numbers"
        return f"✗ your {name} is a {kind}; expected {what}: {expected['what']}"
    if np.isnan(array).all():
        return f"– {name}: not answered yet"
    mcse = given.get(f"{name}_mcse")
    allowed = _tolerance(expected, None if _blank(mcse) else mcse)
    if np.shape(array) != np.shape(value):
        return (
            f"✗ your {name} has {np.size(array)} numbers; expected "
            f"{np.size(value)}: {expected['what']}"
        )
    if _agrees(array, value, allowed):
        return f"✓ {name}: {_shown(array, allowed)}"
    if np.ndim(value):
        return _verdict_on_entries(name, expected, array, allowed)
    line = (
        f"✗ your {name} is {_shown(array, allowed, more=1)}; expected "
        f"{_shown(value, allowed)} ± {_shown(allowed, allowed)}"
    )
    return f"{line}: {_reason(expected, array, allowed) or _gap(array, value, allowed)}"


def _verdict_on_words(name: str, expected: dict, found) -> str:
    """One line on an answer that is a name or a word."""
    word, right = str(found).strip(), expected["value"]
    if word.casefold() == right.casefold():
        return f"✓ {name}: {right}"
    line = f"✗ your {name} is {word!r}; expected {right!r}"
    for said, wrong in expected["slips"].items():
        if word.casefold() == str(wrong).casefold():
            return f"{line}: {said}"
    return line


def _verdict_on_entries(name: str, expected: dict, found, allowed) -> str:
    """One line on several numbers: how many are off, and the worst."""
    value = np.asarray(expected["value"], float)
    allowed = np.broadcast_to(allowed, value.shape)
    off = ~(np.abs(found - value) <= allowed)
    excess = np.where(np.isnan(found), np.inf, np.abs(found - value) / allowed)
    worst = int(np.argmax(excess))
    entry = expected.get("entries", range(1, len(value) + 1))[worst]
    line = (
        f"✗ your {name}: {off.sum()} of {value.size} off; for {entry} it is "
        f"{_shown(found[worst], allowed[worst], more=1)}, expected "
        f"{_shown(value[worst], allowed[worst])} ± "
        f"{_shown(allowed[worst], allowed[worst])}"
    )
    reason = _reason(expected, found, allowed)
    return f"{line}: {reason}" if reason else line


def _reason(expected: dict, found: np.ndarray, allowed) -> str | None:
    """What has gone wrong, where the wrong answer tells."""
    for said, wrong in expected["slips"].items():
        if np.shape(wrong) == found.shape and _agrees(found, wrong, allowed):
            return said
    if not np.isfinite(found).all():
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        usual = {
            "is the sign the other way round?": -found,
            "a share where per cent are asked?": 100 * found,
            "per cent where a share is asked?": found / 100,
            "the probability of the opposite?": 1 - found,
            "upside down?": 1 / found,
        }
        # Nobody squares a share.
        if not re.search(r"\b(share|per cent|probability)", expected["what"]):
            usual |= {
                "a variance where an sd is asked?": np.sqrt(found),
                "an sd where a variance is asked?": found**2,
            }
    for said, mended in usual.items():
        # What leaves the wrong answer about where it was explains nothing.
        moved = np.all(np.abs(mended - found) > 2 * allowed)
        if moved and _agrees(mended, expected["value"], allowed):
            return said
    return None


def _gap(found: np.ndarray, value: float, allowed: np.ndarray) -> str:
    """By how much a number misses."""
    if not np.isfinite(found):
        return "not a finite number"
    gap = abs(found - value)
    way = "large" if found > value else "small"
    close = ", and close" if gap <= 2 * allowed else ""
    return f"too {way} by {_shown(gap, allowed)}{close}"


def _blank(found) -> bool:
    """Whether a student has not answered."""
    empty = isinstance(found, str) and not found.strip()
    return found is None or found is ... or empty


def _numbers(found, expected: dict) -> np.ndarray:
    """A student's answer as an array; by name, where both have names."""
    entries = expected.get("entries")
    if entries and hasattr(found, "keys"):
        by_name = {str(key): found[key] for key in found.keys()}
        if set(by_name) == set(entries):
            found = [by_name[entry] for entry in entries]
        elif isinstance(found, Mapping):
            found = list(found.values())
    if isinstance(found, Sequence) and not isinstance(found, str):
        found = [math.nan if _blank(item) else item for item in found]
    array = np.asarray(found, float)
    if np.ndim(expected["value"]) == 0 and array.size == 1:
        return array.reshape(())  # one number in a box, such as a DataArray
    return array


def _tolerance(expected: dict, mcse=None) -> np.ndarray:
    """How far an answer may be off (Monte Carlo error of both, and rounding)."""
    reference = np.asarray(expected["mcse"], float)
    own = reference if mcse is None else np.asarray(mcse, float)
    return ERRORS * np.sqrt(reference**2 + own**2) + expected["within"]


def _agrees(found, value, allowed) -> bool:
    gap = np.abs(np.asarray(found, float) - np.asarray(value, float))
    return bool(np.all(gap <= allowed))


def _shown(value, allowed, more: int = 0) -> str:
    """A number to the place where its tolerance begins, or several."""
    if np.ndim(value):
        each = np.broadcast_to(allowed, np.shape(value))
        return ", ".join(_shown(v, a, more) for v, a in zip(value, each))
    places = max(0, -math.floor(math.log10(allowed))) + more
    return f"{float(value):,.{places}f}".replace("-", "−")


def _plain(value, name: str):
    """`value` as JSON has it: str, float, list of float or dict of str to float."""
    if isinstance(value, str):
        return value
    if hasattr(value, "to_dict") and hasattr(value, "index"):
        value = value.to_dict()
    if isinstance(value, Mapping):
        return {_entry(key): _plain(item, name) for key, item in value.items()}
    array = np.asarray(value, float)
    if array.ndim > 1 or not np.isfinite(array).all():
        raise ValueError(f"{name} must be one or several finite numbers; got {value}")
    return array.tolist()


def _entry(key) -> str:
    """A name as a student's index has it: 5.0 is 5."""
    integral = isinstance(key, numbers.Real) and float(key).is_integer()
    return str(int(key)) if integral else str(key)
