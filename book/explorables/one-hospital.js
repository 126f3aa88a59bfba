// Twelve hospitals: the reader sets the count of one of them, and sees what the
// beta-binomial hierarchy then says of it and of the other eleven.

import { gaussLegendre } from "./numerics.js";
import {
  button, choice, clamp, diamond, Explorable, html, level, linear, number, path, renew, set,
  slider, svg, text, ticks, upright,
} from "./parts.js";

const ROW = 22; // px: the height of a hospital
const OPERATIONS = { min: 10, max: 1000, step: 1 };
const MOST = 0.3; // the largest rate that the reader can set
const POINTS = 80; // of a density
const NEGLIGIBLE = 1e-9;

// The hierarchy is integrated over logit(mu) and w = kappa**-0.5.
const LOGIT_MU = [-4.2, 0.2];
const W = [0, 1.6];

/** The logarithm of the gamma function at x > 0, by Stirling's series. */
function logGamma(x) {
  let shift = 0;
  let z = x;
  if (z < 10) {
    let product = 1;
    for (; z < 10; z++) product *= z;
    shift = Math.log(product);
  }
  const r = 1 / (z * z);
  const series = (1 / 12 - r * (1 / 360 - r * (1 / 1260 - r * (1 / 1680 - r / 1188)))) / z;
  return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series - shift;
}

/** The sum of log(x + k) for k from 0 to count - 1: a rising factorial's logarithm. */
function logRising(x, count) {
  if (count > 30) {
    // For large x the difference of two logGammas would lose digits.
    if (x < 1e5) return logGamma(x + count) - logGamma(x);
  }
  let sum = 0;
  for (let k = 0; k < count; k++) sum += Math.log1p(k / x);
  return sum + count * Math.log(x);
}

/** Log probability of a count under a beta population, up to a constant. */
function logCount(y, n, a, b) {
  return logRising(a, y) + logRising(b, n - y) - logRising(a + b, n);
}

class OneHospital extends Explorable {
  build(data) {
    Object.assign(this, data);
    this.grid();
    this.chosen = 0;
    this.reset();
    this.hospitalChoice = choice("Hospital", this.names, (k) => {
      this.chosen = k;
      this.reset();
      this.update();
    });
    this.operationsSlider = slider("Operations", OPERATIONS, (v) => this.count(this.y, v));
    this.deathsSlider = slider("Deaths", { min: 0, max: 100, step: 1 },
      (v) => this.count(v, this.n));
    this.back = button("Real count", () => {
      this.reset();
      this.update();
    });
    this.table = html("table", { class: "answers" });
    this.controls.append(
      this.deathsSlider.row, this.operationsSlider.row, this.hospitalChoice.row,
      html("div", { class: "control" }, this.back),
      html("div", { class: "scrolls", tabindex: 0, role: "region",
        "aria-label": "The estimates as a table" }, this.table),
    );
    this.drawing.addEventListener("pointerdown", (event) => this.press(event));
  }

  /** The nodes of the integral, and each hospital's log probability there. */
  grid() {
    const nodes = gaussLegendre(100, LOGIT_MU).flatMap(([u, weightU]) =>
      gaussLegendre(48, W).map(([w, weightW]) => {
        const mu = 1 / (1 + Math.exp(-u));
        // Mu is uniform, w is too.
        return [mu, w ** -2, Math.log(weightU * weightW * mu * (1 - mu))];
      }));
    const logs = this.names.map((_, j) => nodes.map(([mu, kappa]) =>
      logCount(this.deaths[j], this.operations[j], mu * kappa, (1 - mu) * kappa)));
    // For each hospital what the other eleven say, where that is not negligible.
    this.others = this.names.map((_, j) => {
      const log = nodes.map(([, , prior], i) =>
        logs.reduce((sum, each, k) => (k === j ? sum : sum + each[i]), prior));
      const most = Math.max(...log);
      const kept = nodes.map((_, i) => i).filter((i) => log[i] > most - 60);
      return {
        log: Float64Array.from(kept, (i) => log[i] - most),
        mu: Float64Array.from(kept, (i) => nodes[i][0]),
        kappa: Float64Array.from(kept, (i) => nodes[i][1]),
      };
    });
    this.real = this.names.map((_, j) =>
      this.answers(j, this.deaths[j], this.operations[j]));
    this.estimates = this.real.map(({ mean }) => mean);
  }

  /** What the model says if hospital j has y deaths in n operations. */
  answers(j, y, n) {
    const { log, mu, kappa } = this.others[j];
    const mass = log.map((v, i) =>
      v + logCount(y, n, mu[i] * kappa[i], (1 - mu[i]) * kappa[i]));
    const most = mass.reduce((a, b) => Math.max(a, b));
    let total = 0;
    for (let i = 0; i < mass.length; i++) total += mass[i] = Math.exp(mass[i] - most);
    const kept = [];
    const sum = { first: 0, second: 0, mu: 0, tau: 0, weight: 0 };
    for (let i = 0; i < mass.length; i++) {
      const m = mass[i] / total;
      if (m < NEGLIGIBLE) continue;
      const [a, size] = [mu[i] * kappa[i], kappa[i]];
      kept.push({ a, kappa: size, mass: m });
      const rate = (a + y) / (size + n);
      sum.first += m * rate;
      sum.second += (m * rate * (a + y + 1)) / (size + n + 1);
      sum.mu += m * mu[i];
      sum.tau += m * Math.sqrt((mu[i] * (1 - mu[i])) / (size + 1));
      sum.weight += (m * n) / (size + n);
    }
    const { first, second, ...rest } = sum;
    return { kept, mean: first, sd: Math.sqrt(second - first * first), ...rest };
  }

  /** Posterior mean and sd of another hospital, from the nodes of a summary. */
  other(kept, j) {
    const [y, n] = [this.deaths[j], this.operations[j]];
    let [first, second] = [0, 0];
    for (const { a, kappa, mass } of kept) {
      const m = (a + y) / (kappa + n);
      first += mass * m;
      second += (mass * m * (a + y + 1)) / (kappa + n + 1);
    }
    return { mean: first, sd: Math.sqrt(second - first * first) };
  }

  /** The posterior density of the chosen hospital's rate, and its likelihood's. */
  densities(kept) {
    const { y, n } = this;
    const likelihood = logGamma(n + 2) - logGamma(y + 1) - logGamma(n - y + 1);
    const main = kept.filter(({ mass }) => mass > 1e-6);
    const [c, d, log] = [0, 1, 2].map(() => new Float64Array(main.length));
    main.forEach(({ a, kappa, mass }, i) => {
      c[i] = a + y - 1;
      d[i] = kappa - a + n - y - 1;
      log[i] = Math.log(mass) + logGamma(kappa + n) - logGamma(c[i] + 1) - logGamma(d[i] + 1);
    });
    return Array.from({ length: POINTS }, (_, k) => {
      const rate = (MOST * (k + 0.5)) / POINTS;
      const [p, q] = [Math.log(rate), Math.log1p(-rate)];
      let posterior = 0;
      for (let i = 0; i < c.length; i++) posterior += Math.exp(log[i] + c[i] * p + d[i] * q);
      return [rate, posterior, Math.exp(likelihood + y * p + (n - y) * q)];
    });
  }

  reset() {
    this.y = this.deaths[this.chosen];
    this.n = this.operations[this.chosen];
  }

  count(y, n) {
    this.n = clamp(Math.round(n), OPERATIONS.min, OPERATIONS.max);
    this.y = clamp(Math.round(y), 0, Math.floor(MOST * this.n));
    this.update();
  }

  press(event) {
    if (event.button) return;
    const go = (x) => this.count(this.along.inverse(x) * this.n, this.n);
    go(this.place(event)[0]);
    this.follow(event, go);
  }

  draw(width) {
    const narrow = width < 520;
    this.now = this.answers(this.chosen, this.y, this.n);
    this.left = narrow ? 92 : 104;
    this.right = width - 16;
    this.top = narrow ? 68 : 46;
    this.bottom = this.top + ROW * this.names.length;
    this.upper = this.bottom + 84;
    this.floor = this.upper + 120;
    this.along = linear([0, MOST], [this.left, this.right]);
    set(this.drawing, { viewBox: `0 0 ${width} ${this.floor + 42}` });
    const g = svg("g", { "aria-hidden": "true" });
    this.drawLegend(g, narrow);
    this.drawHospitals(g);
    this.drawDensities(g);
    renew(this.drawing, g);
    this.showControls();
    this.fillTable();
  }

  drawLegend(g, narrow) {
    g.append(text(0, 12, "deaths per 100 operations", "title"));
    const marks = [
      [svg("circle", { cx: 6, cy: -4, r: 5, class: "own" }), "own rate"],
      [diamond(6, -4, 6, "given"), "estimate ± sd"],
      [diamond(6, -4, 6, "ghost"), "with the real count"],
    ];
    const places = narrow ? [[0, 34], [110, 34], [0, 54]] : [[0, 34], [110, 34], [250, 34]];
    marks.forEach(([mark, words], k) => {
      const [x, y] = places[k];
      g.append(svg("g", { transform: `translate(${x},${y})` }, mark, text(17, 0, words)));
    });
  }

  drawHospitals(g) {
    const { along, top, bottom, left, right, now } = this;
    for (const t of ticks(0, MOST, 6)) {
      g.append(upright(along(t), top, bottom, "grid"));
      g.append(text(along(t), bottom + 18, number(100 * t, 0), "tick", "middle"));
    }
    g.append(level(left, right, bottom, "axis"));
    g.append(upright(along(now.mu), top, bottom, "complete"));
    g.append(text(along(now.mu), bottom + 36, "mean of the population", "in-ink", "middle"));
    this.names.forEach((name, j) => {
      const y = top + ROW * (j + 0.5);
      const mine = j === this.chosen;
      const [deaths, operations] = mine
        ? [this.y, this.n] : [this.deaths[j], this.operations[j]];
      const { mean, sd } = mine ? now : this.other(now.kept, j);
      g.append(text(0, y + 4, name, mine ? "name" : ""));
      g.append(text(left - 8, y + 4, `${deaths} of ${operations}`, mine ? "" : "tick", "end"));
      if (mine) g.append(level(left, right, y, "now"));
      g.append(level(along(Math.max(0, mean - sd)), along(mean + sd), y, "sd"));
      g.append(diamond(along(this.estimates[j]), y, 6, "ghost"));
      g.append(diamond(along(mean), y, 6, mine ? "given" : "given others"));
      g.append(svg("circle", { cx: along(deaths / operations), cy: y, r: 5,
        class: mine ? "own" : "own others" }));
    });
  }

  drawDensities(g) {
    const { along, upper, floor, left, right } = this;
    const curves = this.densities(this.now.kept);
    g.append(text(0, upper - 18, `rate of hospital ${this.names[this.chosen]}`, "title"));
    const most = Math.max(...curves.map(([, p, l]) => Math.max(p, l)));
    const up = linear([0, most], [floor, upper]);
    g.append(svg("path", { d: path(curves.map(([x, , l]) => [along(x), up(l)])),
      class: "curve alone" }));
    g.append(svg("path", { d: path(curves.map(([x, p]) => [along(x), up(p)])),
      class: "curve chosen" }));
    g.append(text(0, upper + 14, "own count", "in-none"));
    g.append(text(0, upper + 32, "posterior", "in-partial"));
    g.append(level(left, right, floor, "axis"));
    for (const t of ticks(0, MOST, 6)) {
      g.append(text(along(t), floor + 18, number(100 * t, 0), "tick", "middle"));
    }
    g.append(text(right, floor + 36, "deaths per 100 operations", "tick", "end"));
  }

  showControls() {
    const most = Math.floor(MOST * this.n);
    this.deathsSlider.input.max = most;
    this.deathsSlider.show(this.y, String(this.y), `${this.y} deaths`);
    this.operationsSlider.show(this.n, String(this.n), `${this.n} operations`);
    this.hospitalChoice.input.value = this.chosen;
  }

  fillTable() {
    const j = this.chosen;
    const columns = [[this.real[j], this.deaths[j], this.operations[j]],
      [this.now, this.y, this.n]];
    const row = (head, value) => html("tr", {}, html("th", { scope: "row" }, head),
      ...columns.map((column, k) =>
        html("td", k ? { class: "chosen" } : {}, value(...column))));
    const heads = columns.map(([, y, n], k) =>
      html("th", { scope: "col" }, `${k ? "your" : "real"} count, ${y} of ${n}`));
    renew(
      this.table,
      html("thead", {}, html("tr", {}, html("td"), ...heads)),
      html("tbody", {},
        row("own rate", (_, y, n) => this.percent(y / n)),
        row("estimate (sd)", ({ mean, sd }) => `${this.percent(mean)} (${this.percent(sd)})`),
        row("weight of the own count", ({ weight }) => number(weight, 2)),
        row("mean of the population", ({ mu }) => this.percent(mu)),
        row("sd of the population", ({ tau }) => this.percent(tau))),
    );
  }

  percent(share) {
    return `${number(100 * share, 1)}%`;
  }

  /** A sentence: the count, the estimate, and what the other hospitals do. */
  sentence() {
    const j = this.chosen;
    const { mean, sd, weight, mu, tau, kept } = this.now;
    const moved = this.names
      .map((name, k) => ({ name, k }))
      .filter(({ k }) => k !== j)
      .map(({ name, k }) => ({ name, change: this.other(kept, k).mean - this.estimates[k] }))
      .sort((p, q) => Math.abs(q.change) - Math.abs(p.change))[0];
    const points = number(100 * Math.abs(moved.change), 1);
    return [
      `Hospital ${this.names[j]} with ${this.y} deaths in ${this.n} operations, ` +
        `a rate of ${this.percent(this.y / this.n)}:`,
      `its estimate is ${this.percent(mean)}, with an sd of ${number(100 * sd, 1)} points, ` +
        `and its own count has the weight ${number(weight, 2)}.`,
      `The population has the mean ${this.percent(mu)} and the sd ${number(100 * tau, 1)} points.`,
      Number(points) === 0
        ? "No other hospital's estimate is different from what it is with the real count."
        : `Of the others, hospital ${moved.name} moves most against the real count: ` +
          `${moved.change > 0 ? "up" : "down"} by ${points} points.`,
    ].join(" ");
  }
}

customElements.define("one-hospital", OneHospital);
