"""Is this fit sound?  One line for the reader, one record for the machine.

PyMC runs none of its own convergence checks when nutpie draws the samples, so
every fit in the book is followed by :func:`check`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
import sys
from typing import NamedTuple
import warnings

import arviz as az
import numpy as np
import xarray as xr

from pooling import _records

#: Where :func:`check` leaves its record in the metadata of a cell's output.
RECORD = _records.FIT


class Thresholds(NamedTuple):
    """What a sound fit must reach.

    R-hat and both effective sample sizes as recommended by Vehtari, Gelman,
    Simpson, Carpenter and Bürkner (2021); E-BFMI as by Betancourt (2017) and
    in Stan's diagnostics; the share of draws at the maximum tree depth in any one
    chain as in PyMC's own check.
    """

    rhat: float = 1.01
    ess: int = 400
    divergences: int = 0
    treedepth: float = 0.05
    ebfmi: float = 0.3


THRESHOLDS = Thresholds()

#: The names of the ways in which a fit can be unsound, as ``expect`` takes them.
FAILURES = ("divergences", "treedepth", "rhat", "ess", "ebfmi", "finite")
#: What the statistics of a sampler are needed for, in the words of the printed line.
NEED_STATISTICS = {
    "divergences": "divergences",
    "treedepth": "tree depth",
    "ebfmi": "E-BFMI",
}
#: The flag of a draw whose trajectory was stopped at the maximum tree depth: PyMC
#: writes the first and nutpie the second. NumPyro records the depth alone, and not
#: what the maximum was, so its fits can't be checked for this.
TREE_DEPTH_FLAGS = ("reached_max_treedepth", "maxdepth_reached")


class UnsoundFit(RuntimeError):
    """A fit failed its checks, or one that was meant to fail did not."""


@dataclass(frozen=True)
class Diagnosis:
    """The worst diagnostics over all quantities of a fit.

    Attributes
    ----------
    name : str or None
        What the fit is called where it was checked.
    sampler : str
        The library that drew the samples.
    chains, draws : int
        Number of chains, and of draws kept in each.
    quantities, constants : int
        How many scalar quantities were checked, and how many were left out because
        all their draws are equal.
    rhat, ess_bulk, ess_tail : float
        The largest rank-normalised split R-hat, and the smallest bulk and tail
        effective sample sizes.
    rhat_of, ess_bulk_of, ess_tail_of : str
        The quantities that these belong to.
    divergences : int or None
        Divergent transitions after tuning, over all chains.
    treedepth : float or None
        The share of draws at the maximum tree depth, in the chain with the most.
    ebfmi : float or None
        The smallest energy Bayesian fraction of missing information over chains.
    unchecked : tuple of str
        Which of ``divergences``, ``treedepth`` and ``ebfmi`` could not be checked,
        and are None, because the fit does not hold what they are computed from.
    seconds : float or None
        Wall-clock time that the sampler reports for sampling, in seconds.
    failures : tuple of str
        Which of `FAILURES` the fit has.
    """

    name: str | None
    sampler: str
    chains: int
    draws: int
    quantities: int
    constants: int
    rhat: float
    rhat_of: str
    ess_bulk: float
    ess_bulk_of: str
    ess_tail: float
    ess_tail_of: str
    divergences: int | None
    treedepth: float | None
    ebfmi: float | None
    unchecked: tuple[str, ...]
    seconds: float | None
    failures: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing failed, as far as it could be checked."""
        return not self.failures

    def summary(self) -> str:
        """The worst diagnostics, as a clause."""
        parts = [
            f"{self.chains} chains × {self.draws:,} draws",
            f"R-hat at most {self.rhat:.3f} ({self.rhat_of})",
            f"effective sample size at least {self.ess_bulk:,.0f} in the bulk "
            f"({self.ess_bulk_of}) and {self.ess_tail:,.0f} in the tails "
            f"({self.ess_tail_of})",
        ]
        if self.divergences is not None:
            plural = "" if self.divergences == 1 else "s"
            parts.append(f"{self.divergences or 'no'} divergence{plural}")
        if self.treedepth is not None:
            share = _percent(self.treedepth)
            parts.append(f"{share} at the maximum tree depth")
        if self.ebfmi is not None:
            parts.append(f"E-BFMI at least {self.ebfmi:.2f}")
        if self.constants:
            plural = "" if self.constants == 1 else "s"
            parts.append(f"{self.constants} constant{plural} left out")
        if self.unchecked:
            names = ", ".join(NEED_STATISTICS[name] for name in self.unchecked)
            parts.append(f"not recorded, so not checked: {names}")
        return "; ".join(parts)

    def __str__(self) -> str:
        verdict = "sound" if self.sound else "unsound: " + ", ".join(self.failures)
        return f"{verdict} — {self.summary()}"


def diagnose(idata, *, name: str | None = None) -> Diagnosis:
    """Compute the diagnostics of a fit, without judging it.

    R-hat and effective sample sizes are those of ``arviz.summary``; divergences, tree
    depth and E-BFMI those of ``arviz.diagnose``.

    Parameters
    ----------
    idata : xarray.DataTree
        What ``pm.sample`` returns: a ``posterior`` group with dims ``chain``
        and ``draw``, and ``sample_stats`` where the sampler left any.
    name : str, optional
        What to call the fit.

    Returns
    -------
    Diagnosis

    Raises
    ------
    ValueError
        If `idata` has no posterior, or fewer than two chains or four draws, from
        which convergence cannot be told.
    """
    groups = getattr(idata, "children", {})
    if "posterior" not in groups or not groups["posterior"].data_vars:
        raise ValueError(
            f"idata must hold a posterior group with draws, as pm.sample returns "
            f"it; got {type(idata).__name__}"
            + (f" with groups {sorted(groups)}" if groups else "")
        )
    posterior = groups["posterior"].to_dataset()
    chains, draws = posterior.sizes.get("chain", 0), posterior.sizes.get("draw", 0)
    if chains < 2 or draws < 4:
        raise ValueError(
            f"idata must hold at least 2 chains of 4 draws to be checked; got "
            f"{chains} chains of {draws} draws"
        )

    finite, quantities, constants = _quantities(posterior)
    rhat, rhat_of = _worst(quantities["r_hat"], max)
    bulk, bulk_of = _worst(quantities["ess_bulk"], min)
    tail, tail_of = _worst(quantities["ess_tail"], min)
    statistics = _statistics(groups, posterior)

    fails = {
        "divergences": (statistics["divergences"] or 0) > THRESHOLDS.divergences,
        "treedepth": (statistics["treedepth"] or 0) > THRESHOLDS.treedepth,
        # Written so that NaN, which compares false with everything, fails.
        "rhat": not rhat < THRESHOLDS.rhat,
        "ess": not min(bulk, tail) >= THRESHOLDS.ess,
        "ebfmi": statistics["ebfmi"] is not None
        and not statistics["ebfmi"] >= THRESHOLDS.ebfmi,
        "finite": not finite,
    }
    # nutpie by itself leaves its name with the statistics, PyMC with the draws.
    attrs = {**getattr(groups.get("sample_stats"), "attrs", {}),
             **groups["posterior"].attrs}
    seconds = attrs.get("sampling_time")
    return Diagnosis(
        name=name,
        sampler=str(attrs.get("inference_library", "unknown")),
        chains=chains,
        draws=draws,
        quantities=len(quantities),
        constants=constants,
        rhat=rhat,
        rhat_of=rhat_of,
        ess_bulk=bulk,
        ess_bulk_of=bulk_of,
        ess_tail=tail,
        ess_tail_of=tail_of,
        **statistics,
        unchecked=tuple(name for name in NEED_STATISTICS if statistics[name] is None),
        seconds=None if seconds is None else float(seconds),
        failures=tuple(name for name in FAILURES if fails[name]),
    )


def check(idata, expect=None, *, allow=None, name: str | None = None) -> None:
    """Say in one line whether a fit is sound, and stop where it is not.

    What the fit does not record can't be checked, and the line says so: draws without
    the sampler's statistics show no divergences, and may have had many.

    Parameters
    ----------
    idata : xarray.DataTree
        What ``pm.sample`` returns.
    expect : str or sequence of str, optional
        The failures that this fit is there to show, out of ``"divergences"``,
        ``"treedepth"``, ``"rhat"``, ``"ess"``, ``"ebfmi"`` and ``"finite"``. Each of
        these must occur, or the lesson is gone.
    allow : str or sequence of str, optional
        Failures that such a fit may have as well, since they occur with some seeds and
        not with others. Any other failure is unsound.
    name : str, optional
        What to call the fit; the name of the variable that holds it by default.

    Raises
    ------
    UnsoundFit
        If the fit fails where it should not, or does not where it should.
    ValueError
        If `expect` or `allow` names no known failure, if there is something to allow
        and nothing to expect, or if `idata` cannot be checked.
    """
    expected, allowed = _known("expect", expect), _known("allow", allow)
    if allowed and not expected:
        raise ValueError("allow goes with expect: say which failures the fit must show")
    diagnosis = diagnose(idata, name=name or _records.name_of(idata, sys._getframe(1)))
    found = set(diagnosis.failures)
    label = f"{diagnosis.name}: " if diagnosis.name else ""

    if unexpected := sorted(found - expected - allowed):
        raise UnsoundFit(
            f"{label}this fit is unsound ({', '.join(unexpected)}): "
            f"{diagnosis.summary()}"
        )
    if missing := sorted(expected - found):
        raise UnsoundFit(
            f"{label}this fit does not fail as expected ({', '.join(missing)}): "
            f"{diagnosis.summary()}"
        )
    _show(diagnosis, expected, allowed, label)


def _known(argument: str, names) -> set[str]:
    """Names of failures as a set, all of them known."""
    if names is None:
        return set()
    names = {names} if isinstance(names, str) else set(names)
    if unknown := sorted(map(str, names - set(FAILURES))):
        raise ValueError(
            f"{argument} must name failures out of {', '.join(FAILURES)}; "
            f"got {', '.join(unknown)}"
        )
    return names


def _quantities(posterior: xr.Dataset):
    """Whether all draws are finite, a row a varying quantity, and the constants.

    A constant, such as the corner of a correlation matrix, has no R-hat.
    """
    # Without this, ArviZ can't compute quantiles of true and false.
    numbers = posterior.map(lambda draws: draws.astype(float))
    first = numbers.isel(chain=0, draw=0)
    # Where a draw is NaN, it differs from the first: such a quantity is no constant.
    varies = (numbers != first).any(("chain", "draw"))
    finite = all(bool(np.isfinite(draws).all()) for draws in numbers.values())
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # Constants, infinite draws and NaN: judged here, not by a warning.
        warnings.simplefilter("ignore", RuntimeWarning)
        table = az.summary(numbers, kind="diagnostics", round_to="none")
    keep = np.concatenate([varies[name].values.ravel() for name in numbers.data_vars])
    return finite, table[keep], int((~keep).sum())


def _worst(column, pick) -> tuple[float, str]:
    """The extreme of a diagnostic, and the quantity that it belongs to."""
    if column.empty:
        return float("nan"), "nothing varies"
    # A NaN here is worse than any number: the quantity has no diagnostic.
    unknown = column[column.isna()]
    value = unknown.iloc[0] if len(unknown) else pick(column)
    where = unknown.index[0] if len(unknown) else column.index[column == value][0]
    return float(value), str(where)


def _statistics(groups, posterior: xr.Dataset) -> dict:
    """What the sampler's own statistics say; None where they do not say it."""
    found = dict.fromkeys(NEED_STATISTICS)
    if "sample_stats" not in groups:
        return found
    stats = groups["sample_stats"].to_dataset()
    flag = next((name for name in TREE_DEPTH_FLAGS if name in stats), None)
    if flag is not None:
        found["treedepth"] = float(stats[flag].mean("draw").max())
    one = posterior[[next(iter(posterior.data_vars))]]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        _, said = az.diagnose(
            xr.DataTree.from_dict({"posterior": one, "sample_stats": stats}),
            show_diagnostics=False,
            return_diagnostics=True,
        )
    if "divergent" in said:
        found["divergences"] = said["divergent"]["n_divergent"]
    # The energy of a draw is compared with that of the one before.
    if "bfmi" in said and not _thinned(stats):
        found["ebfmi"] = float(np.min(said["bfmi"]["bfmi_values"]))
    return found


def _thinned(stats: xr.Dataset) -> bool:
    """Whether draws between those that are kept have been dropped."""
    return bool(np.median(np.diff(stats.get_index("draw"))) > 1)


def _percent(share: float) -> str:
    """A share of draws in words: none of them, fewer than 1%, or a whole per cent."""
    if share == 0:
        return "no draw"
    return "under 1% of draws" if share < 0.01 else f"{share:.0%} of draws"


def _show(diagnosis: Diagnosis, expected, allowed, label: str) -> None:
    """Print the line, with the record beside it where a notebook can keep it."""
    if expected:
        line = f"✓ {label}fails as it should ({', '.join(diagnosis.failures)}); "
    else:
        line = f"✓ {label}"
    line += diagnosis.summary()
    record = {
        **asdict(diagnosis),
        "expect": sorted(expected),
        "allow": sorted(allowed),
        "thresholds": THRESHOLDS._asdict(),
    }
    if not _records.leave({"text/plain": line}, metadata={RECORD: record}):
        print(line)
