"""Is this fit sound?  One line for the reader, one record for the machine.

PyMC runs none of its own convergence checks when nutpie draws the samples, so
every fit in the book is followed by :func:`check`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
import sys
from typing import NamedTuple

import arviz as az
import numpy as np

#: Where :func:`check` leaves its record in the metadata of a cell's output.
RECORD = "pooling.fit"


class Thresholds(NamedTuple):
    """What a sound fit must reach.

    R-hat and both effective sample sizes as recommended by Vehtari, Gelman,
    Simpson, Carpenter and Bürkner (2021); E-BFMI as by Betancourt (2017) and
    in Stan's diagnostics.
    """

    rhat: float = 1.01
    ess: int = 400
    divergences: int = 0
    ebfmi: float = 0.3


THRESHOLDS = Thresholds()

#: The names of the ways in which a fit can be unsound, as ``expect`` takes them.
FAILURES = ("divergences", "rhat", "ess", "ebfmi", "finite")


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
    quantities : int
        How many scalar quantities were checked; constants are left out.
    rhat, ess_bulk, ess_tail : float
        The largest rank-normalised split R-hat, and the smallest bulk and tail
        effective sample sizes.
    rhat_of, ess_bulk_of, ess_tail_of : str
        The quantities that these belong to.
    divergences : int
        Divergent transitions after tuning, over all chains.
    ebfmi : float or None
        The smallest energy Bayesian fraction of missing information over
        chains; None where the sampler records no energy.
    seconds : float or None
        Wall-clock time that the sampler reports for sampling, in seconds.
    failures : tuple of str
        Which of ``divergences``, ``rhat``, ``ess``, ``ebfmi`` and ``finite``
        the fit fails.
    """

    name: str | None
    sampler: str
    chains: int
    draws: int
    quantities: int
    rhat: float
    rhat_of: str
    ess_bulk: float
    ess_bulk_of: str
    ess_tail: float
    ess_tail_of: str
    divergences: int
    ebfmi: float | None
    seconds: float | None
    failures: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    def summary(self) -> str:
        """The worst diagnostics, as a clause."""
        parts = [
            f"{self.chains} chains × {self.draws:,} draws",
            f"R-hat at most {self.rhat:.3f} ({self.rhat_of})",
            f"effective sample size at least {self.ess_bulk:,.0f} in the bulk "
            f"({self.ess_bulk_of}) and {self.ess_tail:,.0f} in the tails "
            f"({self.ess_tail_of})",
            f"{self.divergences or 'no'} divergence"
            + ("s" if self.divergences != 1 else ""),
        ]
        if self.ebfmi is not None:
            parts.append(f"E-BFMI at least {self.ebfmi:.2f}")
        return "; ".join(parts)

    def __str__(self) -> str:
        verdict = "sound" if self.sound else "unsound: " + ", ".join(self.failures)
        return f"{verdict} — {self.summary()}"


def diagnose(idata, *, name: str | None = None) -> Diagnosis:
    """Compute the diagnostics of a fit, without judging it.

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

    finite, varies = _finite_and_varying(posterior)
    # A constant divides zero by zero here; what comes of it is not looked at.
    with np.errstate(invalid="ignore", divide="ignore"):
        rhats = az.rhat(posterior)
        bulks = az.ess(posterior, method="bulk")
        tails = az.ess(posterior, method="tail")
    rhat, rhat_of = _worst(rhats, varies, np.nanargmax)
    bulk, bulk_of = _worst(bulks, varies, np.nanargmin)
    tail, tail_of = _worst(tails, varies, np.nanargmin)
    stats = groups["sample_stats"] if "sample_stats" in groups else {}
    divergences = int(stats["diverging"].sum()) if "diverging" in stats else 0
    ebfmi = _ebfmi(stats["energy"]) if "energy" in stats else None

    failures = []
    if divergences > THRESHOLDS.divergences:
        failures.append("divergences")
    # Written so that NaN, which compares false with everything, fails.
    if not rhat < THRESHOLDS.rhat:
        failures.append("rhat")
    if not min(bulk, tail) >= THRESHOLDS.ess:
        failures.append("ess")
    if ebfmi is not None and not ebfmi >= THRESHOLDS.ebfmi:
        failures.append("ebfmi")
    if not finite:
        failures.append("finite")

    attrs = groups["posterior"].attrs
    seconds = attrs.get("sampling_time")
    return Diagnosis(
        name=name,
        sampler=str(attrs.get("inference_library", "unknown")),
        chains=chains,
        draws=draws,
        quantities=int(sum(mask.sum() for mask in varies.values())),
        rhat=rhat,
        rhat_of=rhat_of,
        ess_bulk=bulk,
        ess_bulk_of=bulk_of,
        ess_tail=tail,
        ess_tail_of=tail_of,
        divergences=divergences,
        ebfmi=ebfmi,
        seconds=None if seconds is None else float(seconds),
        failures=tuple(failures),
    )


def check(idata, expect=None, *, name: str | None = None) -> None:
    """Say in one line whether a fit is sound, and stop where it is not.

    Parameters
    ----------
    idata : xarray.DataTree
        What ``pm.sample`` returns.
    expect : str or sequence of str, optional
        The failures that this fit is there to show, out of ``"divergences"``,
        ``"rhat"``, ``"ess"``, ``"ebfmi"`` and ``"finite"``. Exactly these must
        occur: one more is unsound, one fewer means that the lesson is gone.
    name : str, optional
        What to call the fit; the name of the variable that holds it by default.

    Raises
    ------
    UnsoundFit
        If the fit fails where it should not, or does not where it should.
    ValueError
        If `expect` names no known failure, or `idata` cannot be checked.
    """
    expected = _expected(expect)
    diagnosis = diagnose(idata, name=name or _name_of(idata, sys._getframe(1)))
    found = set(diagnosis.failures)
    label = f"{diagnosis.name}: " if diagnosis.name else ""

    if unexpected := sorted(found - expected):
        raise UnsoundFit(
            f"{label}this fit is unsound ({', '.join(unexpected)}): "
            f"{diagnosis.summary()}"
        )
    if missing := sorted(expected - found):
        raise UnsoundFit(
            f"{label}this fit was to show {', '.join(missing)}, and does not: "
            f"{diagnosis.summary()}"
        )
    _show(diagnosis, expected, label)


def _expected(expect) -> set[str]:
    """`expect` as a set of known failures."""
    if expect is None:
        return set()
    names = {expect} if isinstance(expect, str) else set(expect)
    if unknown := sorted(map(str, names - set(FAILURES))):
        raise ValueError(
            f"expect must name failures out of {', '.join(FAILURES)}; "
            f"got {', '.join(unknown)}"
        )
    return names


def _finite_and_varying(posterior):
    """Whether all draws are finite, and by variable which entries vary.

    A constant, such as the corner of a correlation matrix, has no R-hat.
    """
    finite, varies = True, {}
    for name, draws in posterior.data_vars.items():
        draws = draws.transpose("chain", "draw", ...)
        finite &= bool(np.isfinite(draws.values).all())
        varies[name] = np.ptp(draws.values, axis=(0, 1)) != 0
    return finite, varies


def _worst(values, varies, pick):
    """The extreme of a diagnostic over the entries that vary, and its label."""
    entries = []
    for name, mask in varies.items():
        array = values[name]
        for index in np.argwhere(mask):
            entry = array[tuple(index)] if index.size else array
            labels = ", ".join(str(entry.coords[dim].item()) for dim in array.dims)
            label = f"{name}[{labels}]" if labels else name
            entries.append((float(entry), label))
    if not entries:
        return float("nan"), "nothing varies"
    numbers = np.array([number for number, _ in entries])
    # A NaN here is worse than any number: the quantity has no diagnostic.
    where = np.flatnonzero(np.isnan(numbers))
    return entries[where[0] if where.size else pick(numbers)]


def _ebfmi(energy) -> float:
    """The smallest E-BFMI over chains (Betancourt 2016, eq. 13)."""
    energy = energy.transpose("chain", "draw").values
    steps = np.square(np.diff(energy, axis=1)).mean(axis=1)
    return float((steps / energy.var(axis=1)).min())


def _name_of(idata, frame) -> str | None:
    """What the caller's namespace calls this object."""
    for namespace in (frame.f_locals, frame.f_globals):
        for name, value in namespace.items():
            if value is idata and not name.startswith("_"):
                return name
    return None


def _show(diagnosis: Diagnosis, expected: set[str], label: str) -> None:
    """Print the line, with the record beside it where a notebook can keep it."""
    if expected:
        line = f"✗ {label}fails as it should ({', '.join(sorted(expected))}); "
    else:
        line = f"✓ {label}"
    line += diagnosis.summary()
    record = {
        **asdict(diagnosis),
        "expect": sorted(expected),
        "thresholds": THRESHOLDS._asdict(),
    }
    shell = sys.modules.get("IPython")
    if shell is None or shell.get_ipython() is None:
        print(line)
        return
    shell.display.display(
        {"text/plain": line}, metadata={RECORD: record}, raw=True
    )
