// The exact posterior of one group under a fixed prior.
//
//   y ~ N(theta, sigma),  theta ~ t_nu(m, s): a normal whose variance V has an
//   Inv-chi²(nu, s²) distribution. Given V everything is normal; a sum over V gives the rest.

import { mixture } from "./exact.js";

// The summand is smooth in log(V) and vanishes at both ends: below like exp(-1/V),
// above like a power of V, so that the grid has to reach further there.
const STEP = 0.2;
const BELOW = 5; // in logs, below nu s²
const ABOVE = 40; // in logs over nu, above the largest scale that there is...
const BEND = 1; // ...and above where the power takes over

/**
 * A grid of variances V with their probabilities under the prior.
 *
 * `nu` is Infinity for a normal, and `s` for a flat prior. `reach` is the largest
 * distance of a datum from the prior's centre.
 */
export function scales({ nu, s }, reach = 0) {
  if (nu === Infinity || s === Infinity) return [{ V: s * s, p: 1 }];
  const least = Math.log(nu * s * s) - BELOW;
  const most = 2 * Math.log(Math.max(s, reach)) + BEND + ABOVE / nu;
  const found = [];
  let total = 0;
  for (let x = least; x < most; x += STEP) {
    const V = Math.exp(x);
    // Taken at V = s² as one, so that nothing overflows for a large nu.
    const r = Math.log((s * s) / V);
    const p = Math.exp(0.5 * nu * (r + 1 - Math.exp(r)));
    found.push({ V, p });
    total += p;
  }
  for (const scale of found) scale.p /= total;
  return found;
}

/** log p(y): how well the prior, centred at m, predicts a datum. */
export function logPredictive(y, sigma, m, variances) {
  const square = (y - m) ** 2;
  const noise = sigma * sigma;
  const least = square / (variances[variances.length - 1].V + noise);
  let sum = 0;
  for (const { V, p } of variances) {
    const total = V + noise;
    sum += p * Math.exp(0.5 * (least - square / total)) / Math.sqrt(total);
  }
  return Math.log(sum) - 0.5 * (least + Math.log(2 * Math.PI));
}

/** The posterior of theta; without a datum (`y` null), the prior. */
export function alone(y, sigma, m, variances) {
  if (y === null) {
    return mixture(variances.map(({ V, p }) => ({ weight: p, mean: m, variance: V })));
  }
  const noise = sigma * sigma;
  const distance = y - m;
  const least = distance ** 2 / (variances[variances.length - 1].V + noise);
  return mixture(variances.map(({ V, p }) => {
    const total = V + noise;
    const misfit = distance ** 2 / total - (Number.isFinite(V) ? least : 0);
    const kept = 1 / (1 + noise / V); // and the rest is pulled to the centre
    return {
      weight: variances.length > 1 ? (p * Math.exp(-0.5 * misfit)) / Math.sqrt(total) : 1,
      mean: m + kept * distance,
      variance: kept * noise,
    };
  }));
}
