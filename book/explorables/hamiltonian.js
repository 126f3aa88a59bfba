// A funnel, the leapfrog integrator and NUTS: what a sampler does, for a browser.
//
//   sigma ~ half-normal(scale),  b ~ N(0, sigma):  b is a slope less the mean slope.
//
// A position is [x, v] with v = log(sigma). Centered, x is b; non-centered, x is
// z = b / sigma. Densities are scaled to one. Mass is one, too. This module
// is independent of the page.

const LOG_2PI = Math.log(2 * Math.PI);
export const LOST = 1000; // the error in energy that PyMC calls a divergence
const DEEPEST = 10; // doublings of a NUTS path, as in PyMC

/** Log density of v = log(sigma), and its slope; e^v belongs to the change to v. */
function logScale(v, scale) {
  const square = Math.exp(2 * v) / scale ** 2;
  const value = v - Math.log(scale) + 0.5 * Math.log(2 / Math.PI) - 0.5 * square;
  return [value, 1 - square];
}

/** Either form: log density and gradient at [x, v], and the sd of x given v. */
export const FORMS = {
  centered: (scale) => ({
    log([x, v]) {
      const z = x * Math.exp(-v);
      return logScale(v, scale)[0] - v - 0.5 * (z * z + LOG_2PI);
    },
    gradient([x, v]) {
      const z = x * Math.exp(-v);
      return [-z * Math.exp(-v), logScale(v, scale)[1] - 1 + z * z];
    },
    spread: (v) => Math.exp(v),
  }),
  "non-centered": (scale) => ({
    log: ([x, v]) => logScale(v, scale)[0] - 0.5 * (x * x + LOG_2PI),
    gradient: ([x, v]) => [-x, logScale(v, scale)[1]],
    spread: () => 1,
  }),
};

/** Density of log(sigma). */
export function densityLog(v, scale) {
  return Math.exp(logScale(v, scale)[0]);
}

/** Probability that sigma is below a value: Simpson's rule, 12 digits or more. */
export function below(sigma, scale) {
  const end = Math.min(sigma / scale, 40);
  const n = 2000;
  let sum = 0;
  for (let k = 0; k <= n; k++) {
    const t = (end * k) / n;
    sum += (k === 0 || k === n ? 1 : k % 2 ? 4 : 2) * Math.exp(-0.5 * t * t);
  }
  return Math.sqrt(2 / Math.PI) * (sum * end) / (3 * n);
}

/** The state of a path: position, momentum, the gradient there, and the energy. */
export function ball(target, q, p) {
  return settle({ q, p, gradient: target.gradient(q) }, target);
}

function settle(state, target) {
  const [px, pv] = state.p;
  state.energy = 0.5 * (px * px + pv * pv) - target.log(state.q);
  return state;
}

/** One leapfrog step: half a step of the momentum, a move, half a step again. */
export function leapfrog(target, { q, p, gradient: g }, step) {
  const half = p.map((pi, i) => pi + 0.5 * step * g[i]);
  const to = q.map((qi, i) => qi + step * half[i]);
  const there = target.gradient(to);
  const after = half.map((pi, i) => pi + 0.5 * step * there[i]);
  return settle({ q: to, p: after, gradient: there }, target);
}

/** Whether an error in energy means that the path has diverged. */
export function lost(error) {
  return !(Math.abs(error) <= LOST); // not a number is lost, too
}

/** A path of so many steps, which ends where it diverges. */
export function follow(target, q, p, step, steps) {
  let state = ball(target, q, p);
  const start = state.energy;
  const path = [q];
  const error = [0];
  while (path.length <= steps && !lost(error[error.length - 1])) {
    state = leapfrog(target, state, step);
    path.push(state.q);
    error.push(state.energy - start);
  }
  return { path, error, diverged: lost(error[error.length - 1]) };
}

/** The exact path, by steps so short that the energy is kept. */
export function roll(target, q, p, time) {
  const tolerance = 0.02;
  for (let steps = 256; ; steps *= 2) {
    const { path, error } = follow(target, q, p, time / steps, steps);
    const wrong = error.findIndex((e) => !(Math.abs(e) < tolerance));
    if (wrong < 0) return path;
    if (steps > 4000) return path.slice(0, wrong);
  }
}

/** Random numbers that a seed repeats: mulberry32, and Box and Muller's normals. */
export function random(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
}

const dot = ([a, b], [c, d]) => a * c + b * d;
const plus = ([a, b], [c, d]) => [a + c, b + d];

function logAdd(a, b) {
  const high = Math.max(a, b);
  return high === -Infinity ? high : high + Math.log1p(Math.exp(Math.min(a, b) - high));
}

/** Does a path with these ends and this sum of momenta still move apart? */
function apart(first, last, sum) {
  return dot(first.p, sum) > 0 && dot(last.p, sum) > 0;
}

/** Two neighbouring pieces of a path, in time's order, as one. */
function join(a, b) {
  const sum = plus(a.sum, b.sum);
  // The whole may look fine while the seam turns: Stan asks there as well.
  const goes = apart(a.first, b.last, sum) &&
    apart(a.first, b.first, plus(a.sum, b.first.p)) &&
    apart(a.last, b.last, plus(a.last.p, b.sum));
  return {
    first: a.first,
    last: b.last,
    sum,
    logWeight: logAdd(a.logWeight, b.logWeight),
    turned: !goes,
  };
}

/**
 * One draw of NUTS from q: Hoffman and Gelman's doubling with Betancourt's choice
 * of a point in proportion to its density, favouring the later half.
 *
 * Returns where the chain is then, the number of gradients, where the path diverged
 * (its last good point, or null), and all its points, in the order of time.
 */
export function nuts(target, q, step, { uniform, normal }) {
  const start = ball(target, q, [normal(), normal()]);
  let gradients = 0;
  let lostAt = null;
  const leaf = (from, way) => {
    const state = leapfrog(target, from, way * step);
    const error = state.energy - start.energy;
    gradients++;
    if (lost(error)) lostAt = from.q;
    return {
      first: state, last: state, sum: state.p, logWeight: -error,
      draw: state.q, turned: false, points: [state.q],
    };
  };
  const build = (depth, from, way) => {
    if (depth === 0) return leaf(from, way);
    const near = build(depth - 1, from, way);
    if (lostAt || near.turned) return near;
    const far = build(depth - 1, way > 0 ? near.last : near.first, way);
    const both = way > 0 ? join(near, far) : join(far, near);
    const takeFar = uniform() < Math.exp(far.logWeight - both.logWeight);
    both.draw = takeFar ? far.draw : near.draw;
    both.points = [...near.points, ...far.points];
    both.turned ||= far.turned;
    return both;
  };
  let tree = { first: start, last: start, sum: start.p, logWeight: 0, draw: q };
  const points = { "-1": [], 1: [] };
  for (let depth = 0; depth < DEEPEST; depth++) {
    const way = uniform() < 0.5 ? -1 : 1;
    const more = build(depth, way > 0 ? tree.last : tree.first, way);
    points[way].push(...more.points);
    if (lostAt || more.turned) break;
    const { draw } = tree;
    const take = uniform() < Math.exp(more.logWeight - tree.logWeight);
    tree = way > 0 ? join(tree, more) : join(more, tree);
    tree.draw = take ? more.draw : draw;
    if (tree.turned) break;
  }
  const path = [...points["-1"].reverse(), q, ...points[1]];
  return { q: tree.draw, gradients, lostAt, path };
}
