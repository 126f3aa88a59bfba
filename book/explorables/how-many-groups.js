// How many groups: precision and power of a design, and of all designs of the same cost.
//
// The unit is the sd of one measurement, so that tau² = rho and sigma² = 1 - rho. Groups
// have n measurements each. All numbers are integrals over the scatter that the design may
// show, which is a multiple of a chi-squared variable; none is simulated.

import { normalCdf } from "./numerics.js";
import {
  choice, clamp, diamond, Explorable, html, level, linear, number, path, renew, set, slider,
  svg, text, triangle, upright,
} from "./parts.js";

const STEP = 0.02; // of the grid of tau, which ends at six scales of its prior
const CUT = 1.959963984540054; // of a normal test
const FEW = 4; // groups: two of either kind
const WHOLE = 0; // the design in which whole groups are treated

// Steps of the even grids of log chi-squared, in sds, and the least weight that is kept:
// for the chosen design, with errors below 1e-6, and for curves, with errors below 1e-3.
const FINE = [0.6, 1e-9];
const CURVE = [0.9, 1e-5];

/** Points and weights for the mean of a function of a chi-squared variable. */
function chiSquared(df, [apart, least] = FINE) {
  if (df <= 0) return [[0, 1]];
  const mode = Math.log(df);
  const step = apart * Math.sqrt(2 / df);
  const logDensity = (z) => (df / 2) * (z - mode) - (Math.exp(z) - df) / 2;
  const found = [];
  for (const side of [-1, 1]) {
    for (let k = side < 0 ? 1 : 0; ; k++) {
      const z = mode + side * k * step;
      const weight = Math.exp(logDensity(z));
      if (weight < least) break;
      found.push([Math.exp(z), weight]);
    }
  }
  const total = found.reduce((sum, [, w]) => sum + w, 0);
  return found.map(([x, w]) => [x, w / total]);
}

/** The quantile 0.975 of Student's t. */
function tQuantile(df) {
  const points = chiSquared(df);
  let t = CUT;
  for (let k = 0; k < 60; k++) {
    let below = 0;
    let density = 0;
    for (const [x, w] of points) {
      const s = Math.sqrt(x / df);
      below += w * normalCdf(t * s);
      density += (w * s * Math.exp(-0.5 * (t * s) ** 2)) / Math.sqrt(2 * Math.PI);
    }
    const move = (0.975 - below) / density;
    t += move;
    if (Math.abs(move) < 1e-9) break;
  }
  return t;
}

/** The chance that a normal estimate is further from zero than a cut. */
function beyond(cut, mean, sd) {
  return normalCdf((mean - cut) / sd) + normalCdf((-mean - cut) / sd);
}

class HowManyGroups extends Explorable {
  build(data) {
    Object.assign(this, data);
    this.now = { ...this.start };
    this.tQuantiles = new Map();
    this.grid = Array.from({ length: Math.round((6 * this.scale) / STEP) }, (_, k) => {
      const tau = k * STEP;
      return [tau, (k ? 0 : -Math.LN2) - 0.5 * (tau / this.scale) ** 2];
    });
    const control = (label, key) => slider(label, this.ranges[key], (v) => {
      this.now[key] = v;
      this.update();
    });
    this.sliders = {
      J: control("Groups J", "J"), n: control("Measurements in each, n", "n"),
      rho: control("Intraclass correlation ρ", "rho"), c: control("Cost c of a group", "c"),
    };
    this.designChoice = choice("Treated", ["whole groups", "half of each group"], (k) => {
      this.now.design = k;
      this.update();
    });
    this.table = html("table", { class: "answers" });
    this.controls.append(
      ...Object.values(this.sliders).map(({ row }) => row), this.designChoice.row,
      html("div", { class: "scrolls", tabindex: 0, role: "region",
        "aria-label": "Power and false positives as a table" }, this.table),
    );
    this.drawing.addEventListener("pointerdown", (event) => this.press(event));
  }

  get cost() {
    return this.now.J * (this.now.c + this.now.n);
  }

  quantile(df) {
    if (!this.tQuantiles.has(df)) this.tQuantiles.set(df, tQuantile(df));
    return this.tQuantiles.get(df);
  }

  /** Variances of a design. `rate` turns the scatter of groups into the variance of d. */
  design({ J, n, rho, design }) {
    const within = 1 - rho;
    const N = J * n;
    return design === WHOLE
      ? { df: J - 2, noise: within / n, scatter: rho + within / n, rate: 4 / J, N,
        parts: [[n * rho + within, J - 2], [within, N - J]] }
      : { df: J - 1, noise: (4 * within) / n, scatter: (4 * within) / n, rate: 1 / J, N,
        parts: [[n * rho + within, J - 1], [within, N - J - 1]] };
  }

  /** Chances of a claim by complete pooling: without an effect, and with it. */
  complete(at, grid = FINE) {
    const { scatter, rate, N, parts } = this.design(at);
    const sd = Math.sqrt(scatter * rate);
    const [[a, dfA], [b, dfB]] = parts;
    const found = [0, 0];
    const inner = chiSquared(dfB, grid);
    for (const [x, w] of chiSquared(dfA, grid)) {
      for (const [z, u] of inner) {
        const cut = CUT * Math.sqrt(((a * x + b * z) / (N - 2)) * (4 / N));
        found[0] += w * u * beyond(cut, 0, sd);
        found[1] += w * u * beyond(cut, this.effect, sd);
      }
    }
    return found;
  }

  /** The same for the t test: of group means, or within groups with free intercepts. */
  test(at, grid = FINE) {
    const { df: dfBetween, scatter, rate, parts } = this.design(at);
    const df = at.design === WHOLE ? dfBetween : parts[1][1];
    const sd = Math.sqrt(scatter * rate);
    const t = this.quantile(df);
    let power = 0;
    for (const [x, w] of chiSquared(df, grid)) {
      power += w * beyond(t * sd * Math.sqrt(x / df), this.effect, sd);
    }
    return [0.05, power];
  }

  /** Posterior weights of the grid of tau, given the scatter S of the groups. */
  tauGiven(S, df, noise) {
    const logP = this.logP ??= new Float64Array(this.grid.length);
    let top = -Infinity;
    this.grid.forEach(([tau, logPrior], k) => {
      const v = tau * tau + noise;
      logP[k] = logPrior - 0.5 * (df * Math.log(v) + S / v);
      if (logP[k] > top) top = logP[k];
    });
    const nodes = [];
    let total = 0;
    this.grid.forEach(([tau], k) => {
      if (logP[k] < top - 23) return;
      const p = Math.exp(logP[k] - top);
      total += p;
      nodes.push({ tau, v: tau * tau + noise, p, sd: 0 });
    });
    for (const node of nodes) node.p /= total;
    return nodes;
  }

  /** The same for partial pooling, with a flat prior on the effect. */
  partial(at) {
    const { df, noise, scatter, rate } = this.design(at);
    const sd = Math.sqrt(scatter * rate);
    const found = [0, 0];
    for (const [x, w] of chiSquared(df)) {
      const nodes = this.tauGiven(scatter * x, df, noise);
      for (const node of nodes) node.sd = Math.sqrt(node.v * rate);
      const cut = this.sure(nodes);
      found[0] += w * beyond(cut, 0, sd);
      found[1] += w * beyond(cut, this.effect, sd);
    }
    return found;
  }

  /** The estimate from which the posterior probability of its sign is above 97.5%. */
  sure(nodes) {
    let cut = CUT * Math.min(...nodes.map((node) => node.sd));
    for (let k = 0; k < 60; k++) {
      let below = 0;
      let density = 0;
      for (const { p, sd } of nodes) {
        const z = cut / sd;
        below += p * normalCdf(z);
        density += (p * Math.exp(-0.5 * z * z)) / (sd * Math.sqrt(2 * Math.PI));
      }
      const move = (0.975 - below) / density;
      cut += move;
      if (Math.abs(move) < 1e-8) break;
    }
    return cut;
  }

  /** Expected posterior sds of mu, of a group's mean and of tau, nothing treated. */
  precision({ J, n, rho }, grid = FINE) {
    const noise = (1 - rho) / n;
    const found = { mu: 0, theta: 0, tau: 0 };
    for (const [x, w] of chiSquared(J - 1, grid)) {
      const S = (rho + noise) * x;
      let [mu, own, B1, B2, t1, t2] = [0, 0, 0, 0, 0, 0];
      for (const { tau, v, p } of this.tauGiven(S, J - 1, noise)) {
        const B = noise / v;
        mu += (p * v) / J;
        own += p * ((1 - B) * noise + (B * B * v) / J);
        B1 += p * B;
        B2 += p * B * B;
        t1 += p * tau;
        t2 += p * tau * tau;
      }
      found.mu += w * Math.sqrt(mu);
      found.theta += w * Math.sqrt(own + ((B2 - B1 * B1) * S) / J);
      found.tau += w * Math.sqrt(t2 - t1 * t1);
    }
    return found;
  }

  /** Numbers of groups that the present cost allows, with at least two measurements. */
  affordable() {
    const most = Math.min(this.most, this.cost / (this.now.c + 2));
    const last = Math.max(FEW, 2 * Math.floor(most / 2 + 1e-9));
    const all = new Set();
    for (let k = 0; k <= this.stops; k++) {
      all.add(2 * Math.round((FEW * (last / FEW) ** (k / this.stops)) / 2));
    }
    return [...all].map((J) => ({ ...this.now, J, n: this.cost / J - this.now.c }));
  }

  solve() {
    const key = JSON.stringify(this.now);
    if (key === this.solved) return;
    this.solved = key;
    this.claims = {
      complete: this.complete(this.now), test: this.test(this.now),
      partial: this.partial(this.now),
    };
    this.sds = this.precision(this.now);
    this.line = this.affordable().map((at) => ({
      J: at.J, complete: this.complete(at, CURVE), test: this.test(at, CURVE),
      ...this.precision(at, CURVE),
    }));
  }

  press(event) {
    if (event.button) return;
    const { cost } = this;
    const { c } = this.now;
    const go = (x) => {
      const { J: some, n: many } = this.ranges;
      const most = Math.max(FEW, Math.min(some.max, cost / (c + 2)));
      const J = clamp(2 * Math.round(this.along.inverse(x) / 2), some.min, most);
      this.now.J = 2 * Math.floor(J / 2);
      this.now.n = clamp(2 * Math.round((cost / this.now.J - c) / 2), many.min, many.max);
      this.update();
    };
    const along = this.along;
    go(this.place(event)[0]);
    this.follow(event, (x) => {
      this.along = along;
      go(x);
    });
  }

  draw(width) {
    this.solve();
    this.left = 44;
    this.right = width - 14;
    const narrow = width < 520;
    this.upper = narrow ? 84 : 62;
    this.middle = this.upper + 150;
    this.top = this.middle + (narrow ? 104 : 82);
    this.floor = this.top + 150;
    const last = Math.max(this.line.at(-1).J, this.now.J, 2 * FEW);
    const log = linear([Math.log(FEW), Math.log(last)], [this.left, this.right]);
    this.along = (J) => log(Math.log(J));
    this.along.inverse = (x) => Math.exp(log.inverse(x));
    this.last = last;
    set(this.drawing, { viewBox: `0 0 ${width} ${this.floor + 42}` });
    const g = svg("g", { "aria-hidden": "true" });
    this.drawPower(g, narrow);
    this.drawSds(g, narrow);
    renew(this.drawing, g);
    this.showControls();
    this.fillTable();
  }

  /** A legend in a row, or in two where there is little room. */
  legend(g, y, narrow, marks) {
    const places = narrow ? [[0, 0], [150, 0], [0, 20]] : [[0, 0], [150, 0], [330, 0]];
    marks.forEach(([mark, words, kind], k) => {
      const [dx, dy] = places[k];
      g.append(svg("g", { transform: `translate(${dx},${y + dy})` },
        level(0, 22, -4, `line ${kind}`), mark(11, -4), text(28, 0, words)));
    });
  }

  axes(g, top, bottom, up, values, show) {
    for (const v of values) {
      g.append(level(this.left, this.right, up(v), "grid"));
      g.append(text(this.left - 5, up(v) + 4, show(v), "tick", "end"));
    }
    g.append(level(this.left, this.right, bottom, "axis"));
    for (const J of [4, 10, 20, 50, 100, 200]) {
      if (J > this.last) continue;
      g.append(text(this.along(J), bottom + 18, String(J), "tick", "middle"));
    }
    g.append(upright(this.along(this.now.J), top, bottom, "now"));
  }

  curve(g, of, up, kind) {
    const points = this.line.map((at) => [this.along(at.J), up(of(at))]);
    if (points.length > 1) g.append(svg("path", { d: path(points), class: `line ${kind}` }));
  }

  drawPower(g, narrow) {
    const up = linear([0, 1], [this.middle, this.upper]);
    const x = this.along(this.now.J);
    const dot = (kind) => (at, y) => svg("circle", { cx: at, cy: y, r: 5, class: kind });
    const mine = (at, y) => diamond(at, y, 6, "in-partial");
    const test = this.now.design === WHOLE ? "group means" : "free intercepts";
    g.append(text(0, 12, narrow ? "power at equal cost"
      : "power for designs of the same cost", "title"));
    this.legend(g, 36, narrow, [
      [dot("in-complete"), "complete", "of-complete"],
      [dot("in-none"), test, "of-none"],
      [dot("hollow"), "false, complete", "of-complete dashed"],
    ]);
    this.axes(g, this.upper, this.middle, up, [0, 0.25, 0.5, 0.75, 1], (v) => `${100 * v}%`);
    this.curve(g, (at) => at.complete[0], up, "of-complete dashed");
    this.curve(g, (at) => at.complete[1], up, "of-complete");
    this.curve(g, (at) => at.test[1], up, "of-none");
    const { complete, test: t, partial } = this.claims;
    g.append(dot("hollow")(x, up(complete[0])), dot("in-complete")(x, up(complete[1])),
      dot("in-none")(x, up(t[1])), mine(x, up(partial[1])));
    const side = x > (this.left + this.right) / 2 ? ["end", -11] : ["start", 11];
    g.append(text(x + side[1], clamp(up(partial[1]) + 18, this.upper + 14, this.middle - 5),
      "partial", "name", side[0]));
    g.append(text(this.right, this.middle + 36, "groups J", "tick", "end"));
  }

  drawSds(g, narrow) {
    const most = Math.max(...this.line.flatMap(({ mu, theta, tau }) => [mu, theta, tau]),
      ...Object.values(this.sds));
    const up = linear([0, Math.max(0.1, most * 1.05)], [this.floor, this.top]);
    const x = this.along(this.now.J);
    const dot = (kind) => (at, y) => svg("circle", { cx: at, cy: y, r: 5, class: kind });
    const mu = (at, y) => diamond(at, y, 6, "in-partial");
    const tau = (at, y) => triangle(at, y, 6, "exact");
    const base = this.top - (narrow ? 46 : 26);
    g.append(text(0, base - 20, narrow ? "expected posterior sd"
      : "expected posterior sd, nothing treated", "title"));
    this.legend(g, base + 2, narrow, [
      [mu, "mean of all, μ", "of-partial"],
      [dot("in-data"), "one group's mean, θ", "of-data"],
      [tau, "sd between, τ", "of-exact"],
    ]);
    const every = most > 0.4 ? 0.2 : most > 0.2 ? 0.1 : 0.05;
    const values = [];
    for (let k = 0; k * every <= most * 1.05 + 1e-9; k++) values.push(k * every);
    this.axes(g, this.top, this.floor, up, values, (v) => number(v, every < 0.1 ? 2 : 1));
    this.curve(g, (at) => at.mu, up, "of-partial");
    this.curve(g, (at) => at.theta, up, "of-data");
    this.curve(g, (at) => at.tau, up, "of-exact");
    g.append(mu(x, up(this.sds.mu)), dot("in-data")(x, up(this.sds.theta)),
      tau(x, up(this.sds.tau)));
    g.append(text(this.right, this.floor + 36, "groups J", "tick", "end"));
  }

  showControls() {
    const { J, n, rho, c, design } = this.now;
    this.sliders.J.show(J, String(J), `${J} groups`);
    this.sliders.n.show(n, String(n), `${n} measurements in each group`);
    this.sliders.rho.show(rho, number(rho, 2));
    this.sliders.c.show(c, String(c), `a group costs ${c} measurements`);
    this.designChoice.input.value = design;
  }

  fillTable() {
    const percent = (p) => `${number(100 * p, 1)}%`;
    const test = this.now.design === WHOLE ? "group means, t test" : "free intercepts, t test";
    const row = (head, [without, present]) => html("tr", {},
      html("th", { scope: "row" }, head),
      html("td", {}, percent(without)), html("td", {}, percent(present)));
    renew(
      this.table,
      html("thead", {}, html("tr", {}, html("td"),
        html("th", { scope: "col" }, "false positives"),
        html("th", { scope: "col" }, "power"))),
      html("tbody", {},
        row("complete pooling", this.claims.complete),
        row(test, this.claims.test),
        row("partial pooling", this.claims.partial)),
    );
  }

  /** A sentence: the design, its cost, its sds, and power beside false positives. */
  sentence() {
    const { J, n, rho, c, design } = this.now;
    const percent = (p) => `${number(100 * p, 1)}%`;
    const { complete, test, partial } = this.claims;
    const { mu, theta, tau } = this.sds;
    return [
      `${J} groups of ${n}, ρ = ${number(rho, 2)}, at a cost of ${this.cost} measurements ` +
        `(c = ${c}); ${design === WHOLE ? "whole groups are treated" :
          "half of each group is treated"}.`,
      `For an effect of ${number(this.effect, 1)} sd, partial pooling has a power of ` +
        `${percent(partial[1])} and a false-positive rate of ${percent(partial[0])}; ` +
        `complete pooling ${percent(complete[1])} and ${percent(complete[0])}; the t test ` +
        `${percent(test[1])} and 5.0%.`,
      `Expected posterior sds: μ ${number(mu, 3)}, one group's mean ${number(theta, 3)}, ` +
        `τ ${number(tau, 3)}.`,
    ].join(" ");
  }
}

customElements.define("how-many-groups", HowManyGroups);
