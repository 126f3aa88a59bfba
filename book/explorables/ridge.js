// Climbing the log density of the normal hierarchy, written in three ways.
//
//   y[j] ~ N(theta[j], sigma[j]),  theta[j] ~ N(mu, tau),  mu flat,
//   tau half-normal with a scale; an infinite scale makes it flat.
//
// A point is a list of numbers, log(tau) the first. The search moves in
// log(tau), but each density is one of tau, without a Jacobian, as in find_MAP of PyMC.
// This module is independent of the page.

import { givenTau, muGiven } from "./exact.js";

const FLAT = 1e-6; // a slope that counts as none
const RISE = 1e-4; // the share of the expected rise that a step must bring (Armijo)
const LEAST = 1e-12; // of a step, where the search gives up
const CURVED = 1e-10; // the least cosine of step and loss that shows a bend downwards

const sum = (list) => list.reduce((total, v) => total + v, 0);
const dot = (a, b) => sum(a.map((v, k) => v * b[k]));

/** The joint density of (mu, tau, theta); a point is [log tau, mu, ...theta]. */
function centered({ y, sigma, scale }) {
  return {
    value([logTau, mu, ...theta]) {
      const tau = Math.exp(logTau);
      const misfit = theta.map((t, j) => (y[j] - t) / sigma[j]);
      const z = theta.map((t) => (t - mu) / tau);
      const height = -y.length * logTau -
        (dot(misfit, misfit) + dot(z, z) + (tau / scale) ** 2) / 2;
      const slope = [
        dot(z, z) - y.length - (tau / scale) ** 2,
        sum(z) / tau,
        ...z.map((v, j) => misfit[j] / sigma[j] - v / tau),
      ];
      return { height, slope };
    },
    // All is quadratic given tau, so that the best values are the conditional means.
    best(tau) {
      const { mu, mean } = givenTau(y, sigma, tau);
      return [Math.log(tau), mu.mean, ...mean];
    },
    effects: ([, , ...theta]) => theta,
  };
}

/** The joint density of (mu, tau, z); a point is [log tau, mu, ...z]. */
function noncentered({ y, sigma, scale }) {
  return {
    value([logTau, mu, ...z]) {
      const tau = Math.exp(logTau);
      const misfit = z.map((v, j) => (y[j] - mu - tau * v) / sigma[j]);
      const pull = misfit.map((m, j) => m / sigma[j]);
      const height = -(dot(misfit, misfit) + dot(z, z) + (tau / scale) ** 2) / 2;
      const slope = [
        tau * dot(pull, z) - (tau / scale) ** 2,
        sum(pull),
        ...z.map((v, j) => tau * pull[j] - v),
      ];
      return { height, slope };
    },
    best(tau) {
      const { mu, mean } = givenTau(y, sigma, tau);
      return [Math.log(tau), mu.mean, ...mean.map((m) => (m - mu.mean) / tau)];
    },
    effects: ([logTau, mu, ...z]) => z.map((v) => mu + Math.exp(logTau) * v),
  };
}

/** The density of tau alone; mu and theta are integrated out. A point is [log tau]. */
function marginal({ y, sigma, scale }) {
  return {
    value([logTau]) {
      const tau = Math.exp(logTau);
      const { mean, logLikelihood } = muGiven(y, sigma, tau);
      const w = sigma.map((s) => 1 / (s * s + tau * tau));
      const pull = dot(w, w) / sum(w) - sum(w) +
        sum(w.map((v, j) => (v * (y[j] - mean)) ** 2));
      return {
        height: logLikelihood - (tau / scale) ** 2 / 2,
        slope: [tau * tau * pull - (tau / scale) ** 2],
      };
    },
    best: (tau) => [Math.log(tau)],
    effects: ([logTau]) => givenTau(y, sigma, Math.exp(logTau)).mean,
  };
}

export const DENSITIES = { centered, noncentered, marginal };

/** Where a climb begins. */
export function begin(density, point) {
  return { point, ...density.value(point), curvature: null };
}

/** Whether the slope is zero, to six digits. */
export function flat({ slope }) {
  return Math.max(...slope.map(Math.abs)) < FLAT;
}

/**
 * One step of BFGS, uphill; null where it is flat or where no step leads higher.
 *
 * `curvature` is the inverse of minus the Hessian, as far as the steps have shown it
 * (Nocedal and Wright, Numerical Optimization, equation 6.17). A step changes log(tau)
 * by one at most, so that a reader can follow it.
 */
export function ascend(density, from) {
  if (flat(from)) return null;
  const { point, height, slope } = from;
  const steepest = slope.map((g) => g / Math.hypot(...slope));
  let way = from.curvature?.map((row) => dot(row, slope)) ?? steepest;
  if (!(dot(way, slope) > 0)) way = steepest;
  for (let size = Math.min(1, 1 / Math.abs(way[0])); size > LEAST; size /= 2) {
    const next = point.map((v, k) => v + size * way[k]);
    const found = density.value(next);
    if (found.height >= height + RISE * size * dot(way, slope)) {
      const moved = next.map((v, k) => v - point[k]);
      const lost = slope.map((g, k) => g - found.slope[k]);
      return { point: next, ...found, curvature: bent(from.curvature, moved, lost) };
    }
  }
  return null;
}

/**
 * What a step and the loss of slope along it tell about the inverse curvature.
 *
 * Where the density is convex there is no maximum to aim at, so the curvature is
 * reset: with the old one the steps would be too short.
 */
function bent(before, moved, lost) {
  const both = dot(moved, lost);
  if (!(both > CURVED * Math.hypot(...moved) * Math.hypot(...lost))) return null;
  const start = both / dot(lost, lost);
  const H = before ?? moved.map((_, i) => moved.map((_, k) => (i === k ? start : 0)));
  const Hlost = H.map((row) => dot(row, lost));
  const grown = 1 + dot(lost, Hlost) / both;
  return H.map((row, i) => row.map((v, k) =>
    v + (grown * moved[i] * moved[k] - Hlost[i] * moved[k] - moved[i] * Hlost[k]) / both));
}

/** The probability between a and b of a smooth density, by Simpson's rule. */
export function between(density, a, b, pairs = 100) {
  const h = (b - a) / (2 * pairs);
  const weight = (k) => (k % (2 * pairs) === 0 ? 1 : k % 2 ? 4 : 2);
  let total = 0;
  for (let k = 0; k <= 2 * pairs; k++) total += weight(k) * density(a + k * h);
  return (total * h) / 3;
}
