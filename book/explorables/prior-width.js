// A fixed prior on the counties' slopes, whose width, tail and centre can be set,
// compared with a hierarchy that estimates width and centre.

import { alone, logPredictive, scales } from "./alone.js";
import { posterior, PRIORS } from "./exact.js";
import {
  choice, clamp, diamond, Explorable, html, level, linear, number, path, renew, set,
  slider, svg, text, ticks, upright,
} from "./parts.js";

const POINTS = 51; // of a curve
const ROW = 44; // px: the height of a county
const LEVELS = [0.025, 0.975];

/** exp(v) to be read: two digits, or a power of ten. */
function times(v) {
  const power = v / Math.LN10;
  if (Math.abs(power) < 2) return Number(Math.exp(v).toPrecision(2)).toString();
  const raised = [...String(Math.round(power))].map((c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
  return `10${raised.join("")}`;
}

/** A scale to be read: two digits. */
function short(s) {
  return Number(s.toPrecision(2)).toString();
}

class PriorWidth extends Explorable {
  build(data) {
    Object.assign(this, data);
    const { logWidth, centre } = this.ranges;
    Object.assign(this, {
      logWidth: logWidth.start, centre: centre.start, tail: 0,
    });
    const measured = this.counties.filter((c) => c.estimate !== null);
    this.y = measured.map((c) => c.estimate);
    this.sigma = measured.map((c) => c.se);
    this.learn(measured);
    this.widthSlider = slider("Scale s of the fixed prior", logWidth, (v) => {
      this.logWidth = v;
      this.update();
    });
    this.centreSlider = slider("Its centre m", centre, (v) => {
      this.centre = v;
      this.update();
    });
    this.tailChoice = choice("Its tail", this.tails.map((t) => t.name), (k) => {
      this.tail = k;
      this.update();
    });
    this.table = html("table", { class: "answers" });
    this.controls.append(
      this.widthSlider.row, this.tailChoice.row, this.centreSlider.row,
      html("div", { class: "scrolls", tabindex: 0, role: "region",
        "aria-label": "The estimates as a table" }, this.table),
    );
    this.back = svg("g", { "aria-hidden": "true" });
    this.drawing.append(this.back);
    this.drawing.addEventListener("pointerdown", (event) => this.press(event));
  }

  /** The posterior of the hierarchy, which no control changes. */
  learn(measured) {
    const tau = PRIORS["half-normal"](this.hierarchy.tauScale);
    const mu = { mean: 0, sd: this.hierarchy.muSd };
    const fit = posterior(this.y, this.sigma, tau, mu);
    this.fit = fit;
    this.rows = this.shown.map((name) => {
      const county = this.counties.find((c) => c.name === name);
      const j = measured.indexOf(county);
      const quantile = j < 0 ? fit.next.quantile : (p) => fit.quantile(j, p);
      const { mean, sd } = j < 0 ? fit.next : { mean: fit.mean[j], sd: fit.sd[j] };
      return { ...county, learned: { mean, sd, interval: LEVELS.map(quantile) } };
    });
    this.hierarchyScore = this.y.reduce((sum, _, j) => sum + fit.logPredictive(j), 0);
  }

  get width() {
    return 10 ** this.logWidth;
  }

  get nu() {
    return this.tails[this.tail].nu ?? Infinity;
  }

  get called() {
    const [m, s] = [number(this.centre, 2).replace(/\.?0+$/, ""), short(this.width)];
    return this.nu === Infinity ? `N(${m}, ${s})` : `t${"₀₁₂₃₄"[this.nu]}(${m}, ${s})`;
  }

  /** The log predictive score of a fixed prior less that of the hierarchy. */
  score(s) {
    const reach = Math.max(...this.y.map((v) => Math.abs(v - this.centre)));
    const variances = scales({ nu: this.nu, s }, reach);
    return this.y.reduce((sum, v, j) =>
      sum + logPredictive(v, this.sigma[j], this.centre, variances), -this.hierarchyScore);
  }

  /** The posterior of the shown counties under the fixed prior. */
  fixed() {
    const variances = scales({ nu: this.nu, s: this.width }, 10);
    return this.rows.map((row) => {
      const fit = alone(row.estimate, row.se, this.centre, variances);
      const [mean, sd] = row.estimate === null
        ? [this.nu > 1 ? fit.mean : NaN, this.nu > 2 ? fit.sd : NaN]
        : [fit.mean, fit.sd];
      return { mean, sd, middle: fit.mean, interval: LEVELS.map(fit.quantile) };
    });
  }

  press(event) {
    if (event.button) return;
    const [, y] = this.place(event);
    const below = y > this.bottom;
    const { logWidth, centre } = this.ranges;
    const go = (x) => {
      const range = below ? logWidth : centre;
      const value = (below ? this.alongWidth : this.along).inverse(x);
      const rounded = Math.round(value / range.step) * range.step;
      this[below ? "logWidth" : "centre"] = clamp(rounded, range.min, range.max);
      this.update();
    };
    go(this.place(event)[0]);
    this.follow(event, go);
  }

  evenly(count, from, to) {
    return Array.from({ length: count }, (_, k) => from + ((to - from) * k) / (count - 1));
  }

  draw(width) {
    const key = `${this.centre} ${this.nu}`;
    const { min, max } = this.ranges.logWidth;
    if (this.scored !== key) {
      this.scored = key;
      this.scores = this.evenly(POINTS, min, max).map((x) => [x, this.score(10 ** x)]);
    }
    this.now = this.fixed();
    this.scoreNow = this.score(this.width);
    const narrow = width < 520;
    this.size = width;
    this.left = narrow ? 106 : 120;
    this.right = width - 12;
    this.top = 46;
    this.bottom = this.top + ROW * this.rows.length;
    this.upper = this.bottom + 76;
    this.floor = this.upper + 150;
    const [low, high] = this.ranges.slope;
    this.along = linear([low, high], [this.left, this.right]);
    this.alongWidth = linear([min, max], [44, this.right]);
    this.scoreUp = linear(this.ranges.score, [this.floor, this.upper]);
    set(this.drawing, { viewBox: `0 0 ${width} ${this.floor + 42}` });
    const parts = svg("g");
    this.drawRows(parts, low, high);
    this.drawScores(parts);
    renew(this.back, parts);
    this.showControls();
    this.fillTable();
  }

  drawRows(g, low, high) {
    const { along, top, bottom, left, right } = this;
    g.append(text(0, 12, "each county's slope, with 95% intervals", "title"));
    const mine = svg("circle", { cx: 6, cy: 26, r: 4, class: "own-data" });
    g.append(mine, text(15, 30, "own data", "in-data"));
    let x = 92;
    g.append(svg("circle", { cx: x, cy: 26, r: 4, class: "in-none" }),
      text(x + 9, 30, this.called, "in-none"));
    x = 208;
    g.append(diamond(x, 26, 5, "in-partial"), text(x + 9, 30, "hierarchy", "in-partial"));
    for (const t of ticks(low, high, 6)) {
      g.append(upright(along(t), top, bottom, "grid"));
      g.append(text(along(t), bottom + 18, number(t, 0), "tick", "middle"));
    }
    g.append(level(left, right, bottom, "axis"));
    g.append(text(right, bottom + 36, "slope β (log ratio, ground floor to basement)",
      "tick", "end"));
    g.append(upright(along(this.centre), top, bottom, "line of-none dashed"));
    this.rows.forEach((row, k) => {
      const y = top + ROW * (k + 0.5);
      if (k) g.append(level(0, right, y - ROW / 2, "grid"));
      g.append(text(0, y - 2, row.name));
      const houses = `${row.houses || "no"} ground floor${row.houses > 1 ? "s" : ""}`;
      g.append(text(0, y + 14, houses, "tick"));
      if (row.estimate !== null) {
        const reach = 1.96 * row.se;
        this.interval(g, [row.estimate - reach, row.estimate + reach], y - 11, "data");
        g.append(svg("circle", {
          cx: along(row.estimate), cy: y - 11, r: 4, class: "own-data",
        }));
      }
      const { middle, interval } = this.now[k];
      this.interval(g, interval, y, "none");
      g.append(svg("circle", { cx: along(middle), cy: y, r: 4, class: "in-none" }));
      this.interval(g, row.learned.interval, y + 11, "partial");
      g.append(diamond(along(row.learned.mean), y + 11, 5, "in-partial"));
    });
  }

  /** An interval, with an arrow where it extends beyond the panel. */
  interval(g, ends, y, colour) {
    const [low, high] = this.ranges.slope;
    const [a, b] = ends.map((v) => this.along(clamp(v, low, high)));
    g.append(level(a, b, y, `line of-${colour}`));
    for (const [out, x, back] of [[ends[0] < low, a, 8], [ends[1] > high, b, -8]]) {
      if (!out) continue;
      const d = `M${x},${y}l${back},-5v10Z`;
      g.append(svg("path", { d, class: `in-${colour}` }));
    }
  }

  drawScores(g) {
    const { alongWidth, scoreUp, upper, floor, right } = this;
    const [worst, best] = this.ranges.score;
    const narrow = this.size < 520;
    g.append(text(0, upper - 14, narrow
      ? "how well each s predicts a county"
      : "how well each s predicts a county, against the hierarchy", "title"));
    this.drawTau(g);
    for (const t of ticks(worst, best, 4)) {
      g.append(level(44, right, scoreUp(t), "grid"));
      g.append(text(39, scoreUp(t) + 4, number(t, 0), "tick", "end"));
    }
    g.append(level(44, right, scoreUp(0), "line of-partial"));
    g.append(text(right, scoreUp(0) - 6, "hierarchy", "in-partial", "end"));
    const points = this.above(worst).map(([x, v]) => [alongWidth(x), scoreUp(v)]);
    if (points.length) g.append(svg("path", { d: path(points), class: "line of-none" }));
    const x = alongWidth(this.logWidth);
    const y = scoreUp(clamp(this.scoreNow, worst, best));
    g.append(upright(x, upper, floor, "now"));
    g.append(svg("circle", { cx: x, cy: y, r: 6, class: "in-none" }));
    const side = x > (44 + right) / 2 ? ["end", -10] : ["start", 10];
    const label = number(this.scoreNow, this.scoreNow < worst ? 0 : 1);
    g.append(text(x + side[1], clamp(y + 16, upper + 34, floor - 6), label,
      "in-none", side[0]));
    g.append(level(44, right, floor, "axis"));
    for (let k = this.ranges.logWidth.min; k <= this.ranges.logWidth.max; k++) {
      g.append(text(Math.min(alongWidth(k), right - 14), floor + 18, short(10 ** k),
        "tick", "middle"));
    }
    g.append(text(right, floor + 36, "scale s of the fixed prior; shaded: p(log τ | y)", "tick", "end"));
  }

  /** The curve of the scores down to where it leaves the panel. */
  above(worst) {
    return this.scores.flatMap(([x, v], k) => {
      if (v >= worst) return [[x, v]];
      const inside = [this.scores[k - 1], this.scores[k + 1]].find((p) => p?.[1] > worst);
      if (!inside) return [];
      const part = (worst - v) / (inside[1] - v);
      return [[x + part * (inside[0] - x), worst]];
    });
  }

  /** The posterior density of log(tau) in the hierarchy, on the same scale. */
  drawTau(g) {
    const { alongWidth, scoreUp, floor } = this;
    const { min, max } = this.ranges.logWidth;
    this.tauCurve ??= this.evenly(4 * POINTS, min, max).map((x) =>
      [x, 10 ** x * this.fit.densityTau(10 ** x)]);
    const highest = Math.max(...this.tauCurve.map(([, d]) => d));
    const up = linear([0, highest], [floor, scoreUp(-40)]);
    const curve = this.tauCurve.map(([x, d]) => [alongWidth(x), up(d)]);
    const ends = [[alongWidth(min), floor], [alongWidth(max), floor]];
    g.append(svg("path", {
      d: path([ends[0], ...curve, ends[1]]) + "Z", class: "mass",
    }));
    g.append(svg("path", { d: path(curve), class: "density" }));
  }

  showControls() {
    const s = short(this.width);
    this.widthSlider.show(this.logWidth, s, `s = ${s}`);
    this.centreSlider.show(this.centre, number(this.centre, 2));
    this.tailChoice.input.value = this.tail;
  }

  fillTable() {
    const both = (mean, sd) =>
      `${Number.isNaN(mean) ? "none" : number(mean, 2)} ` +
      `(${Number.isNaN(sd) ? "none" : number(sd, 2)})`;
    const heads = ["county (ground floors)", "own data (se)", `${this.called} (sd)`, "hierarchy (sd)"];
    const rows = this.rows.map((row, k) => {
      const cells = [
        row.estimate === null ? "none" : both(row.estimate, row.se),
        both(this.now[k].mean, this.now[k].sd),
        both(row.learned.mean, row.learned.sd),
      ];
      return html("tr", {},
        html("th", { scope: "row" }, `${row.name} (${row.houses})`),
        ...cells.map((cell) => html("td", {}, cell)));
    });
    renew(
      this.table,
      html("thead", {}, html("tr", {}, ...heads.map((head) =>
        html("th", { scope: "col" }, head)))),
      html("tbody", {}, ...rows),
    );
  }

  /** A sentence: both intervals of the county without data, and the score. */
  sentence() {
    const k = this.rows.findIndex((row) => row.estimate === null);
    const factor = ([low, high]) => `${times(low)} to ${times(high)} times`;
    const gap = this.scoreNow;
    const verdict = `${number(Math.abs(gap))} ${gap < 0 ? "below" : "above"}`;
    return [
      `Under ${this.called}, ${this.rows[k].name}'s ground floors, which nobody ` +
        `measured, have ${factor(this.now[k].interval)} the radon of its basements, ` +
        "with 95% probability;",
      `in the hierarchy ${factor(this.rows[k].learned.interval)}.`,
      `On the ${this.y.length} counties that were measured, the fixed prior's score ` +
        `is ${verdict} the hierarchy's.`,
      `In the hierarchy the posterior mean of τ is ${number(this.fit.tau.mean, 2)} and the counties' mean ` +
        `${number(this.fit.mu.mean, 2)}.`,
    ].join(" ");
  }
}

customElements.define("prior-width", PriorWidth);
