"""The chapter on slopes against lme4, other quadratures and dense linear algebra."""

from functools import cache

import numpy as np
import pytest
from scipy import stats

from pooling import datasets

CHAPTER = "pooling/slopes"
DAYS = np.arange(10)
MEAN, SD = np.array([300.0, 0.0]), np.array([100.0, 20.0])
#: lme4 1.1-31, lmer(Reaction ~ Days + (Days | Subject), sleepstudy), by REML.
LME4 = {"tau-alpha": 24.740658, "tau-beta": 5.922138, "rho": 0.065551,
        "sigma": 25.591796}
#: Its REML log-likelihood less that of (1 | Subject) + (0 + x | Subject), x = Days - c.
LME4_DROPS = {"0": 0.020511, "mid": 4.960285, "9": 11.611217}


@cache
def reactions():
    return datasets.load_sleepstudy()["reaction"].to_numpy().reshape(18, 10)


def own(y, x):
    X = np.column_stack([np.ones(len(x)), x])
    unit = np.linalg.inv(X.T @ X)
    lines = y @ X @ unit
    return lines, unit, np.sum((y - lines @ X.T) ** 2)


def trapezoid(y, x, size=22, eta=2.0):
    """Points and weights, in logarithms and Fisher's z: not the chapter's rule.

    The density is written group by group, and the mean line integrated afterwards.
    """
    lines, unit, rss = own(y, x)
    J, df = len(y), len(y) * (len(x) - 2)
    s0 = 0.5 * np.log(rss / df)
    axes = (
        np.linspace(0.5, np.log(110), size + 8),
        np.linspace(-0.5, np.log(25), size + 8),
        np.linspace(-3.5, 3.5, 2 * size),
        s0 + np.linspace(-5, 5, size) / np.sqrt(2 * df),
    )
    a, b, z, s = (g.ravel() for g in np.meshgrid(*axes, indexing="ij"))
    tau_a, tau_b, rho, sigma = np.exp(a), np.exp(b), np.tanh(z), np.exp(s)
    v = sigma**2
    aa = tau_a**2 + v * unit[0, 0]
    ab = rho * tau_a * tau_b + v * unit[0, 1]
    bb = tau_b**2 + v * unit[1, 1]
    det = aa * bb - ab**2
    i00, i01, i11 = bb / det, -ab / det, aa / det
    e = lines - MEAN
    S, t = e.T @ e, e.sum(axis=0)
    log_p = -J / 2 * np.log(det) - 0.5 * (
        i00 * S[0, 0] + 2 * i01 * S[0, 1] + i11 * S[1, 1]
    )
    q00, q01, q11 = J * i00 + SD[0] ** -2, J * i01, J * i11 + SD[1] ** -2
    h0, h1 = i00 * t[0] + i01 * t[1], i01 * t[0] + i11 * t[1]
    q = q00 * q11 - q01**2
    log_p += (q11 * h0**2 - 2 * q01 * h0 * h1 + q00 * h1**2) / q / 2 - np.log(q) / 2
    log_p += -df * s - rss / v / 2
    log_p += -0.5 * ((tau_a / 50) ** 2 + (tau_b / 15) ** 2 + (sigma / 50) ** 2)
    log_p += (eta - 1) * np.log1p(-(rho**2))
    log_p += a + b + s + np.log1p(-(rho**2))  # Jacobians
    w = np.exp(log_p - log_p.max())
    return {"tau-alpha": tau_a, "tau-beta": tau_b, "rho": rho, "sigma": sigma}, (
        w / w.sum()
    )


@cache
def answer():
    return trapezoid(reactions(), DAYS)


def seen_from(c, point):
    tau_a, tau_b, rho = point["tau-alpha"], point["tau-beta"], point["rho"]
    tau_c = np.sqrt(tau_a**2 + 2 * c * rho * tau_a * tau_b + c**2 * tau_b**2)
    return tau_c, (rho * tau_a + c * tau_b) / tau_c


def test_every_fit_is_sound(fits):
    records = fits(CHAPTER)
    assert [r["name"] for r in records] == ["correlated", "floors"]
    assert not any(r["failures"] or r["expect"] for r in records)


@pytest.mark.parametrize("name", LME4)
def test_highest_likelihood_is_that_of_lme4(value, name):
    assert value[f"slopes-reml-{name}"] == pytest.approx(LME4[name], abs=6e-4)


@pytest.mark.parametrize("origin", LME4_DROPS)
def test_leaving_the_correlation_out_costs_what_lme4_says(value, origin):
    assert value[f"slopes-drop-{origin}"] == pytest.approx(LME4_DROPS[origin], abs=1e-4)
    assert value["slopes-free-range"] < 1e-6


@pytest.mark.parametrize("name", LME4)
def test_grid_and_draws_agree_with_another_quadrature(numbers, close, name):
    point, weight = answer()
    mean = weight @ point[name]
    sd = np.sqrt(weight @ point[name] ** 2 - mean**2)
    assert numbers[f"slopes-{name}"]["value"] == pytest.approx(mean, abs=0.004 * sd)
    assert numbers[f"slopes-{name}-sd"]["value"] == pytest.approx(sd, rel=0.005)
    close(numbers[f"slopes-{name}-draws"], mean)


def test_draws_and_a_finer_grid_agree(value):
    assert value["slopes-worst"] < 4 and value["slopes-lines-worst"] < 5
    assert value["slopes-grid-gap"] < 5e-4


@pytest.mark.parametrize("key,c", [("m4", -4), ("0", 0), ("2", 2), ("9", 9)])
def test_the_correlation_at_other_origins(numbers, value, close, key, c):
    point, weight = answer()
    tau_c, rho_c = seen_from(c, point)
    assert value[f"slopes-at-{key}-rho"] == pytest.approx(weight @ rho_c, abs=0.002)
    assert value[f"slopes-at-{key}-tau"] == pytest.approx(weight @ tau_c, abs=0.05)
    found, where = np.unique(np.round(rho_c, 9), return_inverse=True)
    mass = np.bincount(where, weight)
    ends = np.interp([0.025, 0.975], np.cumsum(mass) - mass / 2, found)
    assert value[f"slopes-at-{key}-low"] == pytest.approx(ends[0], abs=0.025)
    assert value[f"slopes-at-{key}-high"] == pytest.approx(ends[1], abs=0.025)
    if c == 9:
        close(numbers["slopes-at-9-draws"], weight @ rho_c)


def test_the_same_priors_at_another_origin_are_other_priors(value):
    """Flat in sds and correlation is not flat elsewhere, flat in the entries is."""
    falls = {}
    for kind, eta in (("chapter", 2.0), ("eta", 1.0), ("flat", 1.0), ("entries", 1.0)):
        for c in (0, 9):
            point, weight = trapezoid(reactions(), DAYS - c, eta=eta)
            a, b = point["tau-alpha"], point["tau-beta"]
            if kind in ("flat", "entries"):
                weight = weight * np.exp(((a / 50) ** 2 + (b / 15) ** 2) / 2)
            if kind == "entries":
                weight = weight * (a * b) ** 2
            _, rho = seen_from(2 - c, point)
            mean = weight @ rho / weight.sum()
            found = value[f"slopes-stated-{kind}-{c}"]
            assert found == pytest.approx(mean, abs=0.006), (kind, c)
        key = f"slopes-stated-{kind}"
        falls[kind] = value[f"{key}-0"] - value[f"{key}-9"]
    assert falls["chapter"] > falls["eta"] > falls["flat"] > 0.1
    assert falls["chapter"] > value["slopes-at-2-sd"]
    assert value["slopes-stated-entries-range"] < 2e-3


def test_the_priors_stated_at_the_baseline(value):
    """Probability and interval from a spline through the density at 60 nodes of rho."""
    point, weight = trapezoid(reactions(), DAYS - 2)
    mean = weight @ point["rho"]
    assert value["slopes-stated-2-2-rho"] == pytest.approx(mean, abs=0.003)
    assert value["slopes-stated-2-2-positive"] == pytest.approx(0.9215, abs=0.002)
    assert value["slopes-stated-2-2-low"] == pytest.approx(-0.1484, abs=0.005)
    assert value["slopes-stated-2-2-high"] == pytest.approx(0.7641, abs=0.005)
    assert value["slopes-at-2-positive"] == pytest.approx(0.971, abs=0.003)
    # At day 0 by the same spline.
    assert value["slopes-rho-low"] == pytest.approx(-0.4474, abs=0.005)
    assert value["slopes-rho-high"] == pytest.approx(0.6010, abs=0.005)


def test_lkj_of_three_is_a_half_circle(numbers, close):
    close(numbers["slopes-lkj-3-sd"], 0.5)


def test_pooled_lines_by_dense_algebra(value):
    """I - W at the posterior's points, from the covariance of ten observations."""
    X = np.column_stack([np.ones(10), DAYS])
    point, weight = answer()
    few = np.argsort(weight)[-4000:]
    w = weight[few] / weight[few].sum()
    total = np.zeros((2, 2))
    for k, p in zip(few, w):
        ta, tb, r, s = (point[n][k] for n in LME4)
        between = np.array([[ta**2, r * ta * tb], [r * ta * tb, tb**2]])
        gain = between @ X.T @ np.linalg.inv(X @ between @ X.T + s**2 * np.eye(10))
        total += p * gain @ X
    assert value["slopes-keep-height"] == pytest.approx(total[0, 0], abs=0.03)
    assert value["slopes-keep-slope"] == pytest.approx(total[1, 1], abs=0.03)
    assert value["slopes-keep-cross"] == pytest.approx(total[0, 1], abs=0.12)


def points(axes, steps):
    """Sds, correlation, noise, weight and covariance matrix at all points of a grid."""
    ta, tb, r, s = (g.ravel() for g in np.meshgrid(*axes, indexing="ij"))
    weight = np.prod(np.meshgrid(*steps, indexing="ij"), axis=0).ravel()
    between = np.empty((len(ta), 2, 2))
    between[:, 0, 0], between[:, 1, 1] = ta**2, tb**2
    between[:, 0, 1] = between[:, 1, 0] = r * ta * tb
    return ta, tb, r, s, weight, between


def pooled(c, zero):
    """Posterior means of all days of all people, by dense covariances of ten days."""
    y, X = reactions(), np.column_stack([np.ones(10), DAYS - c])
    z, step = np.polynomial.legendre.leggauss(16)
    axes = [(75 if c < 5 else 150) * (1 + z) / 2, 8 * (1 + z)]
    # Fisher's z.
    axes += [np.zeros(1) if zero else np.tanh(2 * z + (c > 5)), 26 + 7 * z]
    steps = [step, step, np.ones(1) if zero else step, step]
    ta, tb, r, s, w, between = points(axes, steps)
    M = X @ between @ X.T + s[:, None, None] ** 2 * np.eye(10)
    inverse = np.linalg.inv(M)
    Q = 18 * X.T @ inverse @ X + np.diag(SD**-2)
    e = y - X @ MEAN
    h = np.einsum("nki,k->ni", inverse @ X, e.sum(axis=0))
    mu = np.einsum("nij,nj->ni", np.linalg.inv(Q), h)
    log_p = -9 * np.linalg.slogdet(M)[1] - np.linalg.slogdet(Q)[1] / 2
    log_p += (np.einsum("ni,ni->n", mu, h) - np.einsum(
        "nik,ik->n", inverse, e.T @ e)) / 2
    log_p -= ((ta / 50) ** 2 + (tb / 15) ** 2 + (s / 50) ** 2) / 2
    log_p += 2 * np.log1p(-(r**2))  # LKJ, and the Jacobian
    w = w * np.exp(log_p - log_p.max())
    w /= w.sum()
    gain = X @ between @ X.T @ inverse
    mean = mu @ X.T
    keep = np.einsum("n,nik->ik", w, gain)
    rest = w @ (mean - np.einsum("nik,nk->ni", gain, mean))
    return X @ MEAN + e @ keep.T + rest


@pytest.mark.parametrize("c", [0, 9])
def test_lines_without_correlation(value, c):
    gap = np.abs(pooled(c, zero=False) - pooled(c, zero=True)).max()
    assert value[f"slopes-lines-zero-{c}"] == pytest.approx(gap, abs=0.05)


def held_out(seen, j, c=0.0, zero=False, size=14):
    """Mean of the days of a person of whom two are seen, by dense matrices."""
    y, x = reactions(), DAYS - c
    X = np.column_stack([np.ones(10), x])
    lines, unit, rss = own(np.delete(y, j, axis=0), x)
    m = lines.mean(axis=0)
    S = (lines - m).T @ (lines - m)
    z, step = np.polynomial.legendre.leggauss(size)
    tops = (90 if c < 5 else 140, 20)
    axes = [t * (z + 1) / 2 for t in tops] + [np.zeros(1) if zero else z, 26 + 9 * z]
    steps = [step, step, np.ones(1) if zero else step, step]
    ta, tb, r, s, w, between = points(axes, steps)
    v = s[:, None, None] ** 2
    V = between + v * unit
    prior = np.diag(SD**2)
    E = np.linalg.inv(V / 17 + prior)
    log_p = -8 * np.log(np.linalg.det(V))
    log_p -= 0.5 * np.einsum("nij,ij->n", np.linalg.inv(V), S)
    log_p -= 136 * np.log(s) + rss / s**2 / 2
    log_p += 0.5 * np.log(np.linalg.det(E))
    log_p -= 0.5 * np.einsum("i,nij,j->n", m - MEAN, E, m - MEAN)
    log_p -= 0.5 * ((ta / 50) ** 2 + (tb / 15) ** 2 + (s / 50) ** 2)
    if not zero:
        log_p += np.log1p(-(r**2))
    mu = MEAN + prior @ E @ (m - MEAN)
    P = prior - prior @ E @ prior + between
    M = X[seen] @ P @ X[seen].T + v * np.eye(len(seen))
    e = y[j, seen] - mu @ X[seen].T
    inverse = np.linalg.inv(M)
    log_p -= 0.5 * (np.log(np.linalg.det(M)) + np.einsum("ni,nij,nj->n", e, inverse, e))
    w = w * np.exp(log_p - log_p.max())
    line = mu + np.einsum("nij,nj->ni", P @ X[seen].T @ inverse, e)
    return (w / w.sum()) @ line @ X.T


@pytest.mark.slow
@pytest.mark.parametrize("key,seen", [("23", [2, 3]), ("45", [4, 5])])
def test_errors_after_two_days(value, key, seen):
    y = reactions()
    rest = np.setdiff1d(DAYS, seen)
    squares = {}
    designs = {"free": {}, "zero0": {"zero": True},
               "zero9": {"c": 9.0, "zero": True}, "free9": {"c": 9.0}}
    for short, options in designs.items():
        squares[short] = np.array([
            np.mean((held_out(seen, j, **options) - y[j])[rest] ** 2) for j in range(18)
        ])
        error = np.sqrt(squares[short].mean())
        # At day 9 both grids are coarse for a correlation near one.
        within = 0.3 if short == "free9" else 0.1
        assert value[f"slopes-two-{key}-{short}"] == pytest.approx(error, abs=within)
    squares["mean"], squares["own"] = np.zeros((2, 18))
    for j in range(18):
        mean_line = own(np.delete(y, j, axis=0), DAYS)[0].mean(axis=0) @ [
            np.ones(10), DAYS]
        own_line = np.polyval(np.polyfit(seen, y[j, seen], 1), DAYS)
        squares["mean"][j] = np.mean((mean_line - y[j])[rest] ** 2)
        squares["own"][j] = np.mean((own_line - y[j])[rest] ** 2)
    # A learned correlation has the larger error.
    assert value[f"slopes-two-{key}-zero0-diff"] < 0
    tolerance = {"zero0": 5, "zero9": 10, "free9": 15, "mean": 10, "own": 10}
    for short, within in tolerance.items():
        gap = squares[short] - squares["free"]
        found = value[f"slopes-two-{key}-{short}-diff"]
        assert found == pytest.approx(gap.mean(), abs=within)
        se = gap.std(ddof=1) / 18**0.5
        assert value[f"slopes-two-{key}-{short}-se"] == pytest.approx(se, abs=10)


def test_what_is_said_of_two_days(value):
    for key in ("01", "23", "45"):
        errors = [value[f"slopes-two-{key}-{n}"] for n in ("own", "mean", "free")]
        assert errors[0] > errors[1] > errors[2]
        assert value[f"slopes-two-{key}-zero0"] < value[f"slopes-two-{key}-free"] + 0.5
    assert value["slopes-two-09-own"] - value["slopes-two-09-free"] < 3
    ratio = {
        name: value[f"slopes-two-{name}-diff"] / value[f"slopes-two-{name}-se"]
        for name in ("01-own", "23-own", "45-own", "01-mean", "23-mean", "45-mean",
                     "45-zero9")
    }
    assert max(ratio["01-mean"], ratio["23-mean"]) < 1.7 < 2 < min(
        ratio[name] for name in ("01-own", "23-own", "45-own", "45-mean", "45-zero9"))
    assert value["slopes-two-zero9-rest"] < 1.5
    gap = value["slopes-two-45-free9-diff"]
    assert abs(gap) < 0.1 * value["slopes-two-45-zero9-diff"]
    for short in ("free", "zero9"):
        gap = value[f"slopes-two-{short}-inside"] - 90
        assert abs(gap) < 1.5 * value[f"slopes-two-{short}-inside-se"]
    assert value["slopes-two-gap-inside"] > 2 * value["slopes-two-gap-inside-se"]


def test_what_is_said_of_the_number_of_groups(value):
    prior = 5**-0.5
    for kind in ("zero", "six"):
        four, eighteen, often, more, most = (
            value[f"slopes-few-{key}-{kind}"] for key in ("4", "18", "40", "72", "288")
        )
        assert prior > four > 0.8 * prior > eighteen > often > more > most
        assert often > value[f"slopes-few-known-{kind}"] > more
    # The asymptotic value if the lines were known.
    assert value["slopes-few-288-zero"] > 288**-0.5
    assert value["slopes-few-18-away"] < 60 < 80 < value["slopes-few-72-away"]


def test_people_help_more_where_own_slopes_are_precise(value):
    sd = value["slopes-few-tau"]
    designs = ("10-10", "10-26", "10-60", "4-10", "4-26", "4-60")
    precise = [k for k in designs if value[f"slopes-vary-{k}-se"] < sd]
    assert precise == ["10-10", "10-26", "4-10"]
    for key in designs:
        alone, often, people = (
            value[f"slopes-vary-{key}-{k}"] for k in ("18", "often", "72")
        )
        assert alone > max(often, people)
        if key in precise:
            assert often - people > 0.04
        else:
            assert abs(often - people) < 0.04


def test_differences_of_log_likelihoods_by_chance(value):
    assert value["slopes-chi"] == pytest.approx(stats.chi2.isf(0.05, 1))
    assert value["slopes-drop-0"] < 0.1 * value["slopes-half-chi"]
    assert value["slopes-drop-mid"] > 2 * value["slopes-half-chi"]


@cache
def radon_answer(size=14):
    """Points and weights for radon's levels and floor effects, county by county."""
    radon = datasets.load_radon()
    x, y = radon["floor"].to_numpy(float), radon["log_radon"].to_numpy()
    code = radon["county"].cat.codes.to_numpy()
    n, n1, t, t1 = (np.bincount(code, v) for v in (None, x, y, x * y))
    z, step = np.polynomial.legendre.leggauss(size)
    axes = [0.31 + 0.29 * z, 0.5 * (1 + z), z, 0.72 + 0.1 * z]
    ta, tb, r, s = (g.ravel() for g in np.meshgrid(*axes, indexing="ij"))
    w = np.prod(np.meshgrid(*[step] * 4, indexing="ij"), axis=0).ravel()
    v = s**2
    p, q, u = ta**2, r * ta * tb, tb**2
    Q = np.zeros((3, len(ta)))
    h = np.zeros((2, len(ta)))
    log_p = -(np.sum(y**2) / v) / 2 - len(y) * np.log(s)
    for nj, mj, tj, sj in zip(n, n1, t, t1):
        # I + N Sigma / sigma^2 and its inverse.
        a, b = 1 + (nj * p + mj * q) / v, (nj * q + mj * u) / v
        c, d = mj * (p + q) / v, 1 + mj * (q + u) / v
        det = a * d - b * c
        f, g = (d * tj - b * sj) / det / v, (a * sj - c * tj) / det / v
        h += f, g
        Q += (d * nj - b * mj) / det / v, (d * mj - b * mj) / det / v, (
            a * mj - c * mj) / det / v
        log_p += ((p * f + q * g) * tj + (q * f + u * g) * sj) / v / 2
        log_p -= np.log(det) / 2
    Q += np.array([[0.25], [0], [0.25]])
    det = Q[0] * Q[2] - Q[1] ** 2
    log_p += (Q[2] * h[0] ** 2 - 2 * Q[1] * h[0] * h[1] + Q[0] * h[1] ** 2) / det / 2
    log_p -= np.log(det) / 2 + (p + u + v) / 2 - np.log1p(-(r**2))
    w = w * np.exp(log_p - log_p.max())
    return {"tau-alpha": ta, "tau-beta": tb, "rho": r}, w / w.sum()


def test_radons_draws_agree_with_a_quadrature(numbers, close):
    point, weight = radon_answer()
    ground, at_ground = seen_from(1, point)
    levels = (point["tau-alpha"] + point["rho"] * point["tau-beta"]) / ground
    for key, right in [("basement", point["tau-alpha"]), ("effect", point["tau-beta"]),
                       ("ground", ground), ("rho", point["rho"]),
                       ("rho-ground", at_ground), ("rho-levels", levels)]:
        close(numbers[f"slopes-radon-{key}"], weight @ right, rounding=0.003)


def test_radon_with_the_prior_stated_for_the_two_levels(numbers, close):
    """Against the quadrature, weighted by densities of the covariance matrix."""
    point, weight = radon_answer()
    a, b, r = point["tau-alpha"], point["tau-beta"], point["rho"]
    ground, _ = seen_from(1, point)
    levels = (a + r * b) / ground
    ratio = np.exp((b**2 - ground**2) / 2) * (1 - levels**2) / (1 - r**2)
    weight = weight * ratio * (b / ground) ** 2
    weight /= weight.sum()
    for key, right in (("levels", levels), ("effect", r)):
        close(numbers[f"slopes-radon-weighted-{key}"], weight @ right, rounding=0.004)
    rng = np.random.default_rng(5)
    a, b = np.abs(rng.normal(size=(2, 100_000)))
    r = 2 * rng.beta(2, 2, 100_000) - 1
    prior = (a + r * b) / np.sqrt(a**2 + 2 * r * a * b + b**2)
    close(numbers["slopes-radon-prior-levels"], prior.mean(), rounding=0.01)


def test_exercises(value):
    point, weight = trapezoid(reactions()[:, 2:], DAYS[2:] - 2)
    a, b, rho = point["tau-alpha"], point["tau-beta"], point["rho"]
    assert value["slopes-baseline-rho"] == pytest.approx(weight @ rho, abs=0.004)
    positive = weight @ (rho > 0)
    assert value["slopes-baseline-positive"] == pytest.approx(positive, abs=0.03)
    # lme4, all days and days 2 to 9, counted from day 2.
    assert value["slopes-baseline-reml-all"] == pytest.approx(0.478858, abs=5e-4)
    assert value["slopes-baseline-reml"] == pytest.approx(0.177626, abs=5e-4)
    assert value["slopes-ex1-tau"] == pytest.approx(weight @ b, abs=0.02)
    left = weight @ (b * np.sqrt(1 - rho**2))
    assert value["slopes-ex1-left"] == pytest.approx(left, abs=0.02)
    more = weight @ (30 * rho * b / a)
    assert value["slopes-ex1-more"] == pytest.approx(more, abs=0.02)
    point, weight = trapezoid(reactions()[:, 2:], DAYS[2:] - 2, eta=1.0)
    flat = weight @ (30 * point["rho"] * point["tau-beta"] / point["tau-alpha"])
    assert value["slopes-ex1-more-flat"] == pytest.approx(flat, abs=0.02)
    assert value["slopes-ex2-rho"] == pytest.approx(0.91209, abs=5e-4)  # lme4, Days - 9
    assert value["slopes-ex3-pooled"] == pytest.approx(-value["slopes-ex3-raw"])


def test_simulated_noise_pulls_the_correlation_of_own_lines(value):
    rng = np.random.default_rng(7)
    lines = rng.normal([251, 10], [25, 6], (40_000, 2))
    y = lines[:, [0]] + lines[:, [1]] * DAYS + rng.normal(0, 26, (40_000, 10))
    seen = np.corrcoef(own(y, DAYS)[0].T)[0, 1]
    assert value["slopes-ex3-raw"] == pytest.approx(seen, abs=0.02)
    assert stats.norm.sf(abs(value["slopes-ex3-raw"] - seen) * 200) > 1e-4
