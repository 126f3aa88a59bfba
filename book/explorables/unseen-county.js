// Radon: the level of a county that is not in the data, with its uranium known or not,
// before and after its first houses are measured.

import { normalCdf } from "./numerics.js";
import {
  button, Explorable, html, level, linear, number, path, renew, set, slider, svg, text,
  ticks, upright,
} from "./parts.js";

const SHIFT = 0.1; // pCi/L, added before the logarithm is taken
const ACTION = Math.log(4 + SHIFT); // the level at which a house should be repaired
const SPAN = [0, 3.2]; // of the level that is drawn
const houses = (m) => (m === 1 ? "1 house" : `${m} houses`);

class UnseenCounty extends Explorable {
  build(data) {
    Object.assign(this, data);
    Object.assign(this, this.start);
    this.uraniumSlider = slider("Log uranium of the county",
      { min: Math.min(...this.counties), max: Math.max(...this.counties), step: 0.01 },
      (v) => this.take({ uranium: v }));
    this.housesSlider = slider("Basements measured there",
      { min: 0, max: this.mostHouses, step: 1 }, (v) => this.take({ houses: v }));
    this.readingSlider = slider("Mean log reading of these",
      { min: 0, max: 3, step: 0.05 }, (v) => this.take({ reading: v }));
    this.table = html("table", { class: "answers" });
    this.controls.append(
      this.uraniumSlider.row, this.housesSlider.row, this.readingSlider.row,
      html("div", { class: "control" },
        button("Start again", () => this.take(this.start))),
      html("div", { class: "scrolls", tabindex: 0, role: "region",
        "aria-label": "What is known, as a table" }, this.table),
    );
    this.drawing.addEventListener("pointerdown", (event) => this.press(event));
  }

  take(change) {
    Object.assign(this, change);
    this.update();
  }

  press(event) {
    if (event.button) return;
    const { min, max } = this.uraniumSlider.input;
    const go = (x) => this.take({
      uranium: Math.round(100 * Math.min(max, Math.max(min, this.along.inverse(x)))) / 100,
    });
    go(this.place(event)[0]);
    this.follow(event, go);
  }

  /** The level's posterior: at each point of (tau, sigma) a weight, a mean and a variance. */
  posterior(points, uranium) {
    const { houses: m, reading, spread } = this;
    const found = points.map(([tau, sigma, logWeight, means, cov]) => {
      const x = uranium === null ? [1] : [1, uranium];
      const centre = means.reduce((sum, mean, k) => sum + mean * x[k], 0);
      const ofLine = uranium === null ? cov[0]
        : cov[0] + 2 * uranium * cov[1] + uranium ** 2 * cov[2];
      const variance = ofLine + tau ** 2;
      if (!m) return { log: logWeight, mean: centre, variance, sigma };
      const total = variance + sigma ** 2 / m;
      const within = (m - 1) * (Math.log(sigma) + 0.5 * (spread / sigma) ** 2);
      const log = logWeight - 0.5 * (Math.log(total) + (reading - centre) ** 2 / total) - within;
      const own = variance / total;
      return { log, mean: centre + own * (reading - centre), variance: (1 - own) * variance, sigma };
    });
    const top = Math.max(...found.map(({ log }) => log));
    let sum = 0;
    for (const each of found) sum += (each.weight = Math.exp(each.log - top));
    for (const each of found) each.weight /= sum;
    return found.filter(({ weight }) => weight > 1e-7);
  }

  /** Mean and sd of the level, and the chance that a basement exceeds the action level. */
  answers(mixture) {
    const average = (f) => mixture.reduce((sum, each) => sum + each.weight * f(each), 0);
    const mean = average((each) => each.mean);
    const square = average((each) => each.variance + each.mean ** 2);
    return {
      mean, sd: Math.sqrt(square - mean ** 2),
      above: average(({ mean: centre, variance, sigma }) =>
        1 - normalCdf((ACTION - centre) / Math.sqrt(variance + sigma ** 2))),
    };
  }

  density(mixture, x) {
    return mixture.reduce((sum, { weight, mean, variance }) => sum + weight *
      Math.exp(-0.5 * (x - mean) ** 2 / variance) / Math.sqrt(2 * Math.PI * variance), 0);
  }

  draw(width) {
    this.mixtures = {
      known: this.posterior(this.known, this.uranium),
      unknown: this.posterior(this.unknown, null),
    };
    this.now = {
      known: this.answers(this.mixtures.known), unknown: this.answers(this.mixtures.unknown),
    };
    const [left, right] = [14, width - 14];
    this.across = linear(SPAN, [left, right]);
    this.along = linear([-1.1, 0.65], [left, right]);
    set(this.drawing, { viewBox: `0 0 ${width} 372` });
    const g = svg("g", { "aria-hidden": "true" });
    this.drawDensities(g, left, right);
    this.drawUranium(g, left, right);
    renew(this.drawing, g);
    this.showControls();
    this.fillTable();
  }

  drawDensities(g, left, right) {
    const [top, bottom] = [64, 244];
    g.append(text(0, 12, "level of the new county, log radon", "title"));
    g.append(level(0, 22, 32, "curve chosen"), text(28, 36, "uranium known"));
    g.append(level(150, 172, 32, "prior"), text(178, 36, "unknown"));
    const xs = Array.from({ length: 121 }, (_, k) => SPAN[0] + (k / 120) * (SPAN[1] - SPAN[0]));
    const curves = ["known", "unknown"].map((key) =>
      xs.map((x) => this.density(this.mixtures[key], x)));
    const up = linear([0, 1.05 * Math.max(2.6, ...curves.flat())], [bottom, top]);
    for (const t of ticks(...SPAN, 6)) {
      g.append(upright(this.across(t), bottom, bottom + 4, "axis"));
      g.append(text(this.across(t), bottom + 20, number(t, 1), "tick", "middle"));
    }
    g.append(level(left, right, bottom, "axis"));
    g.append(upright(this.across(ACTION), top - 8, bottom, "grid"));
    g.append(text(this.across(ACTION) + 4, top, "4 pCi/L", "tick"));
    const points = (curve) => curve.map((p, k) => [this.across(xs[k]), up(p)]);
    g.append(svg("path", { d: path(points(curves[1])), class: "prior" }));
    g.append(svg("path", { d: path(points(curves[0])), class: "curve chosen" }));
    if (this.houses) {
      g.append(svg("circle",
        { cx: this.across(this.reading), cy: bottom, r: 5, class: "own" }));
    }
  }

  drawUranium(g, left, right) {
    g.append(text(0, 298, "log uranium: a stroke for each county", "title"));
    g.append(level(left, right, 336, "axis"));
    const strokes = this.counties.map((u) => `M${this.along(u).toFixed(1)},314V330`).join("");
    g.append(svg("path", { d: strokes, class: "line of-muted" }));
    for (const t of [-1, -0.5, 0, 0.5]) {
      g.append(text(this.along(t), 356, number(t, 1), "tick", "middle"));
    }
    const x = this.along(this.uranium);
    g.append(upright(x, 308, 336, "now"));
    g.append(svg("circle", { cx: x, cy: 336, r: 7, class: "knob" }));
  }

  showControls() {
    this.uraniumSlider.show(this.uranium, number(this.uranium, 2));
    this.housesSlider.show(this.houses, String(this.houses), houses(this.houses));
    this.readingSlider.show(this.reading, number(this.reading, 2));
    this.readingSlider.input.disabled = !this.houses;
  }

  fillTable() {
    const row = (head, { mean, sd, above }, mark) => html("tr", {},
      html("th", { scope: "row" }, head),
      ...[number(mean, 2), number(sd, 2), number(above, 2)].map((cell) =>
        html("td", mark ? { class: "chosen" } : {}, cell)));
    renew(
      this.table,
      html("thead", {}, html("tr", {}, html("td"),
        ...["level", "sd", "P(a basement above 4 pCi/L)"].map((head) =>
          html("th", { scope: "col" }, head)))),
      html("tbody", {}, row("uranium known", this.now.known, true),
        row("uranium unknown", this.now.unknown, false)),
    );
  }

  /** A sentence: what was measured, and the level with and without uranium. */
  sentence() {
    const { known, unknown } = this.now;
    const measured = this.houses
      ? `${houses(this.houses)} measured, with a mean log reading of ${number(this.reading, 2)}.`
      : "No house measured.";
    return `${measured} With log uranium ${number(this.uranium, 2)} the level is ` +
      `${number(known.mean, 2)}, sd ${number(known.sd, 2)}, and a basement exceeds 4 pCi/L with ` +
      `probability ${number(known.above, 2)}. Without uranium the level is ` +
      `${number(unknown.mean, 2)}, sd ${number(unknown.sd, 2)}, and the probability ` +
      `${number(unknown.above, 2)}.`;
  }
}

customElements.define("unseen-county", UnseenCounty);
