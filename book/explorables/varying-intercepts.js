// The exact posterior of varying intercepts: pooling.exact's mathematics in JavaScript.
//
//   y[i] ~ N(alpha[j[i]] + beta x[i], sigma),  alpha[j] ~ N(mu, tau),
//
// with priors N(0, prior.mu) of mu, N(0, prior.beta) of beta, and half-normal ones of
// scale prior.tau and prior.sigma. Only sums by group are needed of the data. Given
// tau and sigma everything is normal (Bayesian Data Analysis, chapter 15), which leaves
// two integrals, over sigma and over the ratio of variances,
//
//   ratio = sigma^2 / tau^2,  the number of rows that the mean of the groups counts as.

// The trapezoid rule converges exponentially for smooth integrands that vanish at both
// ends. The steps suit dozens of groups and hundreds of rows, whose posterior is nearly
// normal in these logarithms; nodes with a negligible density are left out.
const RATIOS = Array.from({ length: 85 }, (_, k) => Math.exp(-4 + k / 6));
const NODES = Array.from({ length: 25 }, (_, k) => 0.75 * (k - 12)); // posterior sds
const NEGLIGIBLE = 45; // in logs
const MOMENTS = ["sigma", "sigma2", "mu", "beta", "mumu", "mubeta", "betabeta"];

/** Summaries of n rows: means, and sums of squares and products about them. */
export function summarise(xs, ys) {
  const n = xs.length;
  const mean = (v) => (n ? v.reduce((sum, each) => sum + each, 0) / n : 0);
  const [x, y] = [mean(xs), mean(ys)];
  const about = (u, a, v, b) => u.reduce((sum, each, i) => sum + (each - a) * (v[i] - b), 0);
  return { n, x, y, xx: about(xs, x, xs, x), xy: about(xs, x, ys, y), yy: about(ys, y, ys, y) };
}

/** The summaries of two sets of rows together. */
export function together(a, b) {
  const n = a.n + b.n;
  if (!n) return a;
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const shared = (a.n * b.n) / n;
  return {
    n,
    x: a.x + (b.n / n) * dx,
    y: a.y + (b.n / n) * dy,
    xx: a.xx + b.xx + shared * dx * dx,
    xy: a.xy + b.xy + shared * dx * dy,
    yy: a.yy + b.yy + shared * dy * dy,
  };
}

/** Sums over groups of one size: the weight of a group depends on its size alone. */
function bySize(groups) {
  const sizes = new Map();
  const within = { rows: 0, groups: 0, xx: 0, xy: 0, yy: 0 };
  for (const { n, x, y, xx, xy, yy } of groups) {
    if (!n) continue;
    within.rows += n;
    within.groups += 1;
    within.xx += xx;
    within.xy += xy;
    within.yy += yy;
    let s = sizes.get(n);
    if (!s) sizes.set(n, s = { n, count: 0, x: 0, y: 0, xx: 0, xy: 0, yy: 0 });
    s.count += 1;
    s.x += x;
    s.y += y;
    s.xx += x * x;
    s.xy += x * y;
    s.yy += y * y;
  }
  return { sizes: [...sizes.values()], within };
}

/**
 * Sums of squares and products for (mu, beta), those between groups weighted: n rows
 * of one group count as
 * n ratio / (n + ratio), from none of them (no pooling) to all (complete pooling).
 */
function pooled({ sizes, within }, worth) {
  const s = {
    rows: within.rows, groups: within.groups, withinYY: within.yy,
    one: 0, x: 0, y: 0, xx: within.xx, xy: within.xy, yy: within.yy,
  };
  for (const size of sizes) {
    const g = worth(size.n);
    s.one += g * size.count;
    s.x += g * size.x;
    s.y += g * size.y;
    s.xx += g * size.xx;
    s.xy += g * size.xy;
    s.yy += g * size.yy;
  }
  return s;
}

/** Mean and covariance of (mu, beta) given sigma, and the log of the fit. */
function coefficients(s, sigma2, prior) {
  const a = s.one / sigma2 + prior.mu ** -2;
  const b = s.x / sigma2;
  const d = s.xx / sigma2 + prior.beta ** -2;
  const det = a * d - b * b;
  const [p, q] = [s.y / sigma2, s.xy / sigma2];
  const mu = (d * p - b * q) / det;
  const beta = (a * q - b * p) / det;
  const misfit = s.yy / sigma2 - mu * p - beta * q;
  return {
    mu, beta, misfit,
    varMu: d / det, covariance: -b / det, varBeta: a / det,
    logFit: -0.5 * (misfit + Math.log(det)),
  };
}

/** The approximate centre of log(sigma), given the ratio. */
function centre(s, power, prior) {
  const rough = s.withinYY / s.rows;
  return 0.5 * Math.log((coefficients(s, rough, prior).misfit * rough) / power);
}

function sigmaNode(s, power, falls, prior, logSigma) {
  const sigma2 = Math.exp(2 * logSigma);
  const c = coefficients(s, sigma2, prior);
  // d sigma = sigma d log(sigma)
  return { sigma2, c, log: c.logFit - (power - 1) * logSigma - falls * sigma2 };
}

/**
 * The integral over sigma for one ratio: its logarithm, and posterior means of sigma,
 * mu, beta, and of their squares and products. `power` is the degrees of freedom for
 * sigma; `falls` is the coefficient of sigma^2 in the log priors.
 */
function overSigma(s, power, falls, prior) {
  const sd = 1 / Math.sqrt(2 * power);
  const middle = centre(s, power, prior);
  const nodes = NODES.map((k) => sigmaNode(s, power, falls, prior, middle + k * sd));
  const top = Math.max(...nodes.map((node) => node.log));
  const m = { total: 0, sigma: 0, sigma2: 0, mu: 0, beta: 0, mumu: 0, mubeta: 0, betabeta: 0 };
  for (const { sigma2, c, log } of nodes) {
    const weight = Math.exp(log - top);
    m.total += weight;
    m.sigma += weight * Math.sqrt(sigma2);
    m.sigma2 += weight * sigma2;
    m.mu += weight * c.mu;
    m.beta += weight * c.beta;
    m.mumu += weight * (c.varMu + c.mu * c.mu);
    m.mubeta += weight * (c.covariance + c.mu * c.beta);
    m.betabeta += weight * (c.varBeta + c.beta * c.beta);
  }
  for (const name of MOMENTS) m[name] /= m.total;
  return { ...m, log: top + Math.log(m.total * sd) };
}

/** Mean and sd of each alpha, averaged over the ratios with their weights. */
function intercepts(groups, known) {
  return groups.map(({ n, x, y }) => {
    let [first, second, B] = [0, 0, 0];
    for (const { weight, ratio, at } of known) {
      // The weight of the mean of all groups.
      const b = ratio === Infinity ? 1 : ratio / (n + ratio);
      const w = 1 - b;
      first += weight * (b * at.mu + w * (y - x * at.beta));
      second += weight * (
        (ratio === Infinity ? 0 : at.sigma2 / (n + ratio)) +
        b * b * at.mumu + 2 * b * w * (y * at.mu - x * at.mubeta) +
        w * w * (y * y - 2 * x * y * at.beta + x * x * at.betabeta)
      );
      B += weight * b;
    }
    return { mean: first, sd: Math.sqrt(second - first * first), B };
  });
}

function summaries(groups, known) {
  const average = (f) => known.reduce((sum, k) => sum + k.weight * f(k), 0);
  const moments = (name, square) => {
    const mean = average(({ at }) => at[name]);
    return { mean, sd: Math.sqrt(average(({ at }) => at[square]) - mean * mean) };
  };
  return {
    mu: moments("mu", "mumu"),
    beta: moments("beta", "betabeta"),
    sigma: moments("sigma", "sigma2"),
    alpha: intercepts(groups, known),
  };
}

/**
 * The posterior of partial pooling, tau and sigma integrated over. Here and below,
 * `wanted` are the groups whose intercepts are worked out.
 */
export function partialPooling(groups, prior, wanted = groups) {
  const sums = bySize(groups);
  const nodes = RATIOS.map((ratio) => {
    const s = pooled(sums, (n) => (n * ratio) / (n + ratio));
    // d tau = tau d log(tau), and tau is sigma over the root of the ratio.
    const falls = 0.5 * (prior.sigma ** -2 + prior.tau ** -2 / ratio);
    let before = Math.log(ratio);
    for (const { n, count } of sums.sizes) before += count * Math.log1p(n / ratio);
    const middle = centre(s, s.rows, prior);
    const peak = sigmaNode(s, s.rows - 1, falls, prior, middle).log;
    return { ratio, s, falls, before: -0.5 * before, guess: peak - 0.5 * before };
  });
  const highest = Math.max(...nodes.map((node) => node.guess));
  const known = nodes.filter(({ guess }) => guess > highest - NEGLIGIBLE);
  for (const node of known) {
    node.at = overSigma(node.s, node.s.rows - 1, node.falls, prior);
    node.log = node.at.log + node.before;
  }
  const top = Math.max(...known.map((node) => node.log));
  const total = known.reduce((sum, node) => sum + Math.exp(node.log - top), 0);
  for (const node of known) node.weight = Math.exp(node.log - top) / total;
  const average = (f) => known.reduce((sum, node) => sum + node.weight * f(node), 0);
  const tau = average(({ at, ratio }) => at.sigma / Math.sqrt(ratio));
  const tau2 = average(({ at, ratio }) => at.sigma2 / ratio);
  return {
    ...summaries(wanted, known),
    tau: { mean: tau, sd: Math.sqrt(tau2 - tau * tau) },
  };
}

/** One intercept for all groups; sigma integrated over. */
export function completePooling(groups, prior, wanted = groups) {
  const s = pooled(bySize(groups), (n) => n);
  const at = overSigma(s, s.rows, 0.5 * prior.sigma ** -2, prior);
  return summaries(wanted, [{ weight: 1, ratio: Infinity, at }]);
}

/** Separate intercepts with flat priors; sigma integrated over. */
export function noPooling(groups, prior, wanted = groups) {
  const s = pooled(bySize(groups), () => 0);
  const at = overSigma(s, s.rows - s.groups, 0.5 * prior.sigma ** -2, prior);
  return summaries(wanted, [{ weight: 1, ratio: 0, at }]);
}
