"""Every part of the module refuses the same arguments, and in the same words."""

import inspect
from typing import get_type_hints

import numpy as np
import pytest
from scipy import stats

from pooling import datasets, exact, plots, simulate

PRIOR = stats.halfnorm(scale=1)
#: A function of an array that must be numbers, by the name of that argument.
ARRAYS = {
    "exact, estimates": ("y", lambda bad: exact.normal_hierarchy(bad, [1.0, 1, 1])),
    "exact, counts": ("y", lambda bad: exact.beta_binomial(bad, [4, 4, 4])),
    "exact, rows": (
        "y",
        lambda bad: exact.varying_intercepts(
            bad, list("aab"), tau_prior=PRIOR, sigma_prior=PRIOR
        ),
    ),
    "simulate": ("y", lambda bad: simulate.difference(bad, [0, 1, 1])),
    "simulate, coverage": ("se", lambda bad: simulate.coverage([1.0, 2, 3], bad, 0)),
    "plots": ("raw", lambda bad: plots.shrinkage(bad, [1.0, 2, 3])),
    "plots, another": ("pdf", lambda bad: plots.density([1.0, 2, 3], bad)),
}
#: What is no array of numbers, and what is said of it.
BAD = {
    "strings": (["1", "2", "3"], r"must be real numbers, not \['1', '2', '3'\]"),
    "truth values": ([True, False, True], "must be real numbers, not "),
    "complex": ([1j, 2, 3], "must be real numbers, not "),
    "ragged": ([[1, 2], [3]], "must be a rectangular array, not "),
    "missing": ([1.0, np.nan, 3], r"must be finite, but \w+\[1\] is nan"),
    "masked": (np.ma.array([1.0, 2, 3], mask=[0, 1, 0]), "must have no masked values"),
    "empty": ([], "must not be empty"),
}
NUMBERS = {
    "simulate": (
        "mu",
        lambda bad: simulate.normal_hierarchy(
            bad, 1, [1.0, 2], replications=2, rng=np.random.default_rng(1)
        ),
    ),
    "simulate, coverage": (
        "level",
        lambda bad: simulate.coverage([1.0, 2], [1.0, 1], 0, bad),
    ),
    "plots": ("gap", lambda bad: plots.spread_labels([1.0, 2], bad)),
    "plots, a line": ("truth", lambda bad: plots.intervals([1.0], [0.0], [2.0], bad)),
}


@pytest.mark.parametrize("bad,says", BAD.values(), ids=BAD)
@pytest.mark.parametrize("name,function", ARRAYS.values(), ids=ARRAYS)
def test_what_is_no_array_of_numbers_is_refused(name, function, bad, says):
    with pytest.raises(ValueError, match=f"^{name} {says}"):
        function(bad)


@pytest.mark.parametrize("bad", ["1.5", True, None, 1j])
@pytest.mark.parametrize("name,function", NUMBERS.values(), ids=NUMBERS)
def test_what_is_no_number_is_refused(name, function, bad):
    with pytest.raises(ValueError, match=f"^{name} must be real numbers, not "):
        function(bad)


@pytest.mark.parametrize("name,function", NUMBERS.values(), ids=NUMBERS)
def test_several_numbers_are_not_one(name, function):
    with pytest.raises(ValueError, match=rf"^{name} must be one number, not of shape"):
        function([0.5, 0.6])


def public_functions():
    """Functions, and methods of classes, by name."""
    for module in (datasets, exact, plots, simulate):
        for name in module.__all__:
            part = getattr(module, name)
            if inspect.isfunction(part):
                yield f"{module.__name__}.{name}", part
            elif inspect.isclass(part) and part.__module__.startswith("pooling.exact"):
                for of, method in inspect.getmembers(part, inspect.isfunction):
                    if not of.startswith("_"):
                        yield f"{name}.{of}", method


EVERY = list(public_functions())


@pytest.mark.parametrize(
    "function", [function for _, function in EVERY], ids=[name for name, _ in EVERY]
)
def test_every_argument_and_result_has_a_type(function):
    """And every type can be found by who asks for it, such as an editor."""
    said = {*get_type_hints(function), "self"}
    assert {*inspect.signature(function).parameters, "return"} <= said
