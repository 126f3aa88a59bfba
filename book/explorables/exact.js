// The exact posterior of a normal hierarchy: pooling.exact's mathematics in JavaScript.
//
//   y[j] ~ N(theta[j], sigma[j]),  theta[j] ~ N(mu, tau),  mu flat or normal.
//
// Given tau everything is normal (Bayesian Data Analysis, section 5.4); the integral
// over tau is numerical. This module is independent of the page.

import { normalCdf } from "./numerics.js";

// On an even grid the trapezoid rule converges exponentially for smooth integrands that
// vanish at both ends, as these do in log(tau). The step and the reach
// leave errors below one in 10^8 for three groups or more.
const STEP = 0.05;
const FAR_BELOW = 24; // in logs, below the smallest scale of the data
const FAR_ABOVE = 10; // and above the largest

/** Log densities of priors on tau > 0, up to a constant; `scale` in points. */
export const PRIORS = {
  flat: () => () => 0,
  "half-normal": (scale) => (tau) => -0.5 * (tau / scale) ** 2,
  "half-cauchy": (scale) => (tau) => -Math.log1p((tau / scale) ** 2),
  // tau² ~ Inv-chi²(nu, scale²), and the Jacobian 2 tau.
  "inv-chi2": (scale, nu) => (tau) =>
    -(nu + 1) * Math.log(tau) - 0.5 * nu * (scale / tau) ** 2,
};

/** Normalised densities of the same priors; null if the prior is improper. */
export const PRIOR_DENSITIES = {
  flat: () => null,
  "half-normal": (scale) => (tau) =>
    (Math.exp(-0.5 * (tau / scale) ** 2) * Math.sqrt(2 / Math.PI)) / scale,
  "half-cauchy": (scale) => (tau) =>
    2 / (Math.PI * scale * (1 + (tau / scale) ** 2)),
};

/** Mean and variance of mu given tau, and the log likelihood of tau. */
export function muGiven(y, sigma, tau, muPrior) {
  let precision = muPrior ? muPrior.sd ** -2 : 0;
  let pull = muPrior ? precision * muPrior.mean : 0;
  let logWeights = muPrior ? Math.log(precision) : 0;
  for (let j = 0; j < y.length; j++) {
    const w = 1 / (sigma[j] * sigma[j] + tau * tau);
    precision += w;
    pull += w * y[j];
    logWeights += Math.log(w);
  }
  const mean = pull / precision;
  let misfit = muPrior ? ((muPrior.mean - mean) / muPrior.sd) ** 2 : 0;
  for (let j = 0; j < y.length; j++) {
    misfit += (y[j] - mean) ** 2 / (sigma[j] * sigma[j] + tau * tau);
  }
  const logLikelihood = 0.5 * (logWeights - Math.log(precision) - misfit);
  return { mean, variance: 1 / precision, logLikelihood };
}

/** Mean and variance of theta[j], given tau and the moments of mu. */
function thetaGiven(yj, sigmaj, tau, mu) {
  const variance = sigmaj * sigmaj;
  const B = variance / (variance + tau * tau);
  return {
    mean: (1 - B) * yj + B * mu.mean,
    variance: (1 - B) * variance + B * B * mu.variance,
  };
}

/** Means and sds of mu and of every theta, given tau. */
export function givenTau(y, sigma, tau) {
  const mu = muGiven(y, sigma, tau);
  const theta = y.map((yj, j) => thetaGiven(yj, sigma[j], tau, mu));
  return {
    mu: { mean: mu.mean, sd: Math.sqrt(mu.variance) },
    mean: theta.map((t) => t.mean),
    sd: theta.map((t) => Math.sqrt(t.variance)),
  };
}

/** A mixture of normals; its parts are of { weight, mean, variance }. */
export function mixture(parts) {
  let total = 0;
  let mean = 0;
  for (const part of parts) {
    total += part.weight;
    mean += part.weight * part.mean;
  }
  mean /= total;
  // Two passes: a variance as a difference of large numbers would lose digits.
  let variance = 0;
  for (const part of parts) {
    variance += part.weight * (part.variance + (part.mean - mean) ** 2);
  }
  variance /= total;
  return {
    mean,
    sd: Math.sqrt(variance),
    /** By Newton's method, and by halving where that would leave the bracket. */
    quantile(p) {
      const heavy = parts
        .filter((part) => part.weight > 1e-16 * total)
        .map((part) => ({ ...part, sd: Math.sqrt(part.variance) }));
      let low = Math.min(...heavy.map((part) => part.mean - 9 * part.sd));
      let high = Math.max(...heavy.map((part) => part.mean + 9 * part.sd));
      let x = mean;
      for (let k = 0; k < 200; k++) {
        let below = 0;
        let density = 0;
        for (const part of heavy) {
          const z = (x - part.mean) / part.sd;
          below += part.weight * normalCdf(z);
          density += (part.weight * Math.exp(-0.5 * z * z)) / part.sd;
        }
        const gap = below / total - p;
        if (gap > 0) high = x;
        else low = x;
        let next = x - (gap * total * Math.sqrt(2 * Math.PI)) / density;
        if (!(next > low && next < high)) next = (low + high) / 2;
        if (Math.abs(next - x) < 1e-10 * (1 + Math.abs(x))) return next;
        x = next;
      }
      return x;
    },
  };
}

/** The density of log(tau) on an even grid: nodes, their sum, and its log scale. */
function overTau(y, sigma, logPrior, muPrior) {
  const spread = Math.max(...y) - Math.min(...y);
  const low = Math.log(Math.min(...sigma)) - FAR_BELOW;
  const high = Math.log(Math.max(spread, ...sigma)) + FAR_ABOVE;
  const nodes = [];
  let top = -Infinity;
  for (let x = low; x < high; x += STEP) {
    const tau = Math.exp(x);
    const mu = muGiven(y, sigma, tau, muPrior);
    const logF = mu.logLikelihood + logPrior(tau);
    nodes.push({ tau, mu, logF, x });
    top = Math.max(top, logF);
  }
  let total = 0;
  for (const node of nodes) {
    node.weight = Math.exp(node.logF - top + node.x); // d tau = tau d log(tau)
    total += node.weight;
  }
  return { nodes, total, top, high };
}

/** The posterior means of theta alone, which takes less time than `posterior`. */
export function posteriorMeans(y, sigma, logPrior, muPrior = null) {
  const { nodes, total } = overTau(y, sigma, logPrior, muPrior);
  const means = y.map(() => 0);
  for (const { weight, tau, mu } of nodes) {
    for (let j = 0; j < y.length; j++) {
      const B = 1 / (1 + (tau / sigma[j]) ** 2);
      means[j] += weight * ((1 - B) * y[j] + B * mu.mean);
    }
  }
  return means.map((sum) => sum / total);
}

/**
 * The posterior of the hierarchy.
 *
 * `logPrior` is the log density of tau up to a constant; `muPrior` is null for a
 * flat one, or { mean, sd } of a normal. Returns means and sds of tau, mu and
 * theta, quantiles of theta[j], the moments of a new group's theta (`next`), the log
 * density of y[j] given the other groups, the density of tau, and the probability
 * that tau exceeds a value. Under a flat prior E tau is finite for four groups or more
 * only, and its sd for five.
 */
export function posterior(y, sigma, logPrior = PRIORS.flat(), muPrior = null) {
  if (y.length < 3 || y.length !== sigma.length) {
    throw new RangeError("y and sigma must have one length, of at least three");
  }
  if (![...y, ...sigma].every(Number.isFinite) || !sigma.every((s) => s > 0)) {
    throw new RangeError("y must be finite, and sigma above zero");
  }
  const { nodes, total, top, high } = overTau(y, sigma, logPrior, muPrior);
  const used = nodes.filter((node) => node.weight > 0);
  const partsOf = (given) => used.map((node) => {
    const { mean, variance } = given(node);
    return { weight: node.weight, mean, variance };
  });
  const average = (given) => mixture(partsOf(given));
  const tau = average((node) => ({ mean: node.tau, variance: 0 }));
  const mu = average((node) => node.mu);
  const theta = y.map((yj, j) =>
    average((node) => thetaGiven(yj, sigma[j], node.tau, node.mu)));
  const logF = (t) => muGiven(y, sigma, t, muPrior).logLikelihood + logPrior(t) - top;
  const scaled = total * STEP;
  return {
    tau: { mean: tau.mean, sd: tau.sd },
    mu: { mean: mu.mean, sd: mu.sd },
    mean: theta.map((t) => t.mean),
    sd: theta.map((t) => t.sd),
    quantile: (j, p) => theta[j].quantile(p),
    get next() {
      return average((node) => ({
        mean: node.mu.mean, variance: node.mu.variance + node.tau ** 2,
      }));
    },
    /** log p(y[j] | the others): its inverse is an average over all the data. */
    logPredictive(j) {
      const inverse = mixture(used.map(({ weight, tau: t, mu: given }) => {
        const noise = sigma[j] ** 2 + t ** 2;
        const precision = 1 / given.variance - 1 / noise; // of mu, by the others
        const variance = noise + 1 / precision;
        const distance = (y[j] - given.mean) / (given.variance * precision);
        const density = Math.exp((-0.5 * distance ** 2) / variance) / Math.sqrt(variance);
        return { weight, mean: 1 / density, variance: 0 };
      }));
      return -Math.log(inverse.mean) - 0.5 * Math.log(2 * Math.PI);
    },
    densityTau: (t) => Math.exp(logF(t)) / scaled,
    // From t upwards: log(tau) = log(t) + log(1 + e^s) makes the end smooth too.
    tailTau(t) {
      if (!(t > 0)) return 1;
      let sum = 0;
      for (let s = -40; s < Math.max(40, high - Math.log(t)); s += STEP) {
        const above = t * (1 + Math.exp(s));
        const slope = Math.exp(s) / (1 + Math.exp(s));
        sum += Math.exp(logF(above)) * above * slope;
      }
      return (sum * STEP) / scaled;
    },
  };
}
