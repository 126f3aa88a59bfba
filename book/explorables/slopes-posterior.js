// The exact posterior of lines that vary between groups measured at the same places:
// the quadrature of the chapter on slopes in JavaScript.
//
// A symmetric matrix of two rows is [upper left, beside it, lower right]. A point of the
// grid has tau_alpha, tau_beta, rho and sigma, at the origin for which it was made.

import { gaussLegendre } from "./numerics.js";

/** A covariance matrix of (height at 0, slope), seen from origin c. */
export function sheared([a, b, d], c) {
  return [a + 2 * c * b + c * c * d, b + c * d, d];
}

const determinant = ([a, b, d]) => a * d - b * b;
const misfit = ([a, b, d], [e, f], det) => (d * e * e - 2 * b * e * f + a * f * f) / det;

/** The own lines as seen from origin c: mean, scatter, and covariance for sigma = 1. */
function summary({ lines, unit }, c) {
  const seen = lines.map(([a, b]) => [a + c * b, b]);
  const mean = [0, 1].map((k) => seen.reduce((sum, line) => sum + line[k], 0) / seen.length);
  const scatter = [0, 0, 0];
  for (const [a, b] of seen) {
    const [e, f] = [a - mean[0], b - mean[1]];
    scatter[0] += e * e;
    scatter[1] += e * f;
    scatter[2] += f * f;
  }
  return { seen, mean, scatter, unit: sheared(unit, c) };
}

/**
 * The points of the grid that count, with their weights, for priors stated at origin c;
 * `size` has the number of nodes for each sd, for rho and for sigma. With `rho` null it
 * is integrated too, under the LKJ prior.
 */
export function grid(data, c, size, rho = null) {
  const { lines, rss, days, prior } = data;
  const J = lines.length;
  const df = J * (days - 2);
  const own = summary(data, c);
  const reach = 1 + 12 / Math.sqrt(2 * J);
  const noise = Math.sqrt(rss / df);
  const near = Math.min(0.95, 7 / Math.sqrt(2 * df));
  const [first, second] = [0, 2].map((k) =>
    gaussLegendre(size.tau, [0, reach * Math.sqrt(own.scatter[k] / (J - 1))]));
  const rhos = rho === null ? gaussLegendre(size.rho, [-1, 1]) : [[rho, 1]];
  const sigmas = gaussLegendre(size.sigma, [noise * (1 - near), noise * (1 + near)]);
  const points = [];
  let top = -Infinity;
  for (const [tauA, wA] of first) {
    for (const [tauB, wB] of second) {
      for (const [r, wR] of rhos) {
        for (const [sigma, wS] of sigmas) {
          const s2 = sigma * sigma;
          const between = [tauA * tauA, r * tauA * tauB, tauB * tauB];
          const V = between.map((value, k) => value + s2 * own.unit[k]);
          const det = determinant(V);
          const fit = (V[2] * own.scatter[0] - 2 * V[1] * own.scatter[1] +
            V[0] * own.scatter[2]) / det;
          const M = [V[0] / J + prior.sd[0] ** 2, V[1] / J, V[2] / J + prior.sd[1] ** 2];
          const detM = determinant(M);
          const off = [own.mean[0] - prior.mean[0], own.mean[1] - prior.mean[1]];
          const log = -0.5 * ((J - 1) * Math.log(det) + fit + rss / s2 + Math.log(detM) +
            misfit(M, off, detM) + (tauA / prior.tau[0]) ** 2 + (tauB / prior.tau[1]) ** 2 +
            (sigma / prior.sigma) ** 2) - df * Math.log(sigma) +
            (rho === null ? (prior.eta - 1) * Math.log1p(-r * r) : 0) +
            Math.log(wA * wB * wR * wS);
          top = Math.max(top, log);
          points.push({ tauA, tauB, rho: r, between, V, det, M, detM, off, log });
        }
      }
    }
  }
  const kept = points.filter((point) => point.log > top - 16);
  let total = 0;
  for (const point of kept) total += point.weight = Math.exp(point.log - top);
  for (const point of kept) point.weight /= total;
  return { own, points: kept, prior };
}

/** Posterior means: of the lines and the mean line at the origin, and of Sigma. */
export function means({ own, points, prior }) {
  const sigma = [0, 0, 0];
  const keep = [0, 0, 0, 0];
  const shift = [0, 0];
  const mu = [0, 0];
  for (const { weight, between: [a, b, d], V, det, M, detM, off } of points) {
    const inverse = [V[2] / det, -V[1] / det, V[0] / det];
    const K = [a * inverse[0] + b * inverse[1], a * inverse[1] + b * inverse[2],
      b * inverse[0] + d * inverse[1], b * inverse[1] + d * inverse[2]];
    const pull = [(M[2] * off[0] - M[1] * off[1]) / detM, (M[0] * off[1] - M[1] * off[0]) / detM];
    const m = [0, 1].map((k) => prior.mean[k] + prior.sd[k] ** 2 * pull[k]);
    for (let k = 0; k < 4; k++) keep[k] += weight * K[k];
    for (let k = 0; k < 2; k++) {
      mu[k] += weight * m[k];
      shift[k] += weight * (m[k] - K[2 * k] * m[0] - K[2 * k + 1] * m[1]);
    }
    [a, b, d].forEach((value, k) => { sigma[k] += weight * value; });
  }
  const lines = own.seen.map(([a, b]) => [
    shift[0] + keep[0] * a + keep[1] * b,
    shift[1] + keep[2] * a + keep[3] * b,
  ]);
  return { lines, mu, sigma };
}

const BINS = 800;

/** The sd of heights at c and the correlation there: means, and a 95% interval of rho. */
export function seenFrom({ points }, c) {
  const mass = new Float64Array(BINS);
  let [tau, rho] = [0, 0];
  for (const { weight, between } of points) {
    const [a, b, d] = sheared(between, c);
    const there = Math.sqrt(a);
    const r = b / Math.sqrt(a * d);
    tau += weight * there;
    rho += weight * r;
    mass[Math.min(BINS - 1, Math.floor((r + 1) / 2 * BINS))] += weight;
  }
  const [low, high] = [0.025, 0.975].map((at) => quantile(mass, at));
  return { c, tau, rho, low, high };
}

const logOdds = (p) => Math.log(p / (1 - p));

/**
 * Between the middles of bins that are not empty, of which a grid may leave many: linear
 * in the log odds, on which the tails of a density are nearly straight.
 */
function quantile(mass, at) {
  let [below, before, left] = [0, 0, -1];
  for (let k = 0; k < BINS; k++) {
    if (!mass[k]) continue;
    const middle = below + mass[k] / 2;
    const here = -1 + 2 * (k + 0.5) / BINS;
    if (middle >= at) {
      const share = before
        ? (logOdds(at) - logOdds(before)) / (logOdds(middle) - logOdds(before))
        : at / middle;
      return left + (here - left) * share;
    }
    below += mass[k];
    [before, left] = [middle, here];
  }
  return 1;
}
