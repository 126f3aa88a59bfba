// The origin of x under the reader's hand: with a learned correlation the ellipse of the
// population shears and the lines stay; with one assumed to be zero the lines move.

import {
  choice, clamp, diamond, Explorable, html, level, linear, number, path, renew,
  set, slider, svg, text, ticks, upright,
} from "./parts.js";
import { grid, means, seenFrom, sheared } from "./slopes-posterior.js";

const ORIGIN = { min: -3, max: 12, step: 0.5 }; // days
const LEARNED = 0;
const SIZE = { tau: 16, rho: 40, sigma: 10 }; // nodes of the quadrature
const HALF = Math.sqrt(2 * Math.log(2)); // sds to the ellipse that holds one half
const HEIGHTS = [80, 530]; // ms
const SLOPES = [-6, 25]; // ms per day

class SlopeOrigin extends Explorable {
  build(data) {
    this.study = data;
    this.origin = 0;
    this.model = LEARNED;
    const points = grid(data, 0, SIZE);
    this.learned = means(points);
    this.curve = [];
    for (let c = ORIGIN.min; c <= ORIGIN.max; c += ORIGIN.step) {
      this.curve.push(seenFrom(points, c));
    }
    this.tauBeta = points.points.reduce((sum, p) => sum + p.weight * p.tauB, 0);
    this.originSlider = slider("Origin of x", ORIGIN, (c) => {
      this.origin = c;
      this.update();
    });
    this.modelChoice = choice("Correlation", ["learned", "zero at the origin"], (k) => {
      this.model = k;
      this.update();
    });
    this.table = html("table", { class: "answers" });
    this.controls.append(this.originSlider.row, this.modelChoice.row,
      html("div", { class: "scrolls", tabindex: 0, role: "region",
        "aria-label": "The population as a table" }, this.table));
    this.drawing.addEventListener("pointerdown", (event) => this.press(event));
  }

  /** The posterior at this origin: lines at day 0, and the population at the origin. */
  solve() {
    const { origin: c, study } = this;
    if (this.model === LEARNED) {
      const { lines, mu, sigma } = this.learned;
      const at = this.curve[Math.round((c - ORIGIN.min) / ORIGIN.step)];
      return { lines, mu: [mu[0] + c * mu[1], mu[1]], sigma: sheared(sigma, c),
        tauA: at.tau, tauB: this.tauBeta, ...at };
    }
    const points = grid(study, c, SIZE, 0);
    const { lines, mu, sigma } = means(points);
    const mean = (name) => points.points.reduce((sum, p) => sum + p.weight * p[name], 0);
    return { lines: lines.map(([a, b]) => [a - c * b, b]), mu, sigma,
      tauA: mean("tauA"), tauB: mean("tauB"), rho: 0, low: 0, high: 0 };
  }

  /** How far the lines are from those with a learned correlation, at most, on day 0 to 9. */
  get moved() {
    return Math.max(...this.now.lines.flatMap(([a, b], j) => {
      const [a0, b0] = this.learned.lines[j];
      return [Math.abs(a - a0), Math.abs(a + 9 * b - a0 - 9 * b0)];
    }));
  }

  press(event) {
    if (event.button) return;
    const [, y] = this.place(event);
    const across = y < this.floor + 30 || !this.hit(event) ? this.day : this.turn;
    const go = (x) => {
      const c = Math.round(across.inverse(x) / ORIGIN.step) * ORIGIN.step;
      this.origin = clamp(c, ORIGIN.min, ORIGIN.max);
      this.update();
    };
    go(this.place(event)[0]);
    this.follow(event, go);
  }

  /** Whether a press is in the panel of the correlation. */
  hit(event) {
    const [x, y] = this.place(event);
    return x > this.turnLeft && y > this.turnTop;
  }

  draw(width) {
    this.now = this.solve();
    const narrow = width < 520;
    const left = 44;
    const right = width - 12;
    this.top = 26;
    this.floor = this.top + (narrow ? 190 : 220);
    const middle = narrow ? right : left + (right - left) * 0.48;
    const below = this.floor + 76;
    const panel = narrow ? 190 : 210;
    this.turnLeft = narrow ? left : middle + 62;
    this.turnTop = narrow ? below + panel + 76 : below;
    const span = [ORIGIN.min, ORIGIN.max];
    this.day = linear(span, [left, right]);
    this.turn = linear(span, [this.turnLeft, right]);
    set(this.drawing, { viewBox: `0 0 ${width} ${this.turnTop + panel + 46}` });
    const g = svg("g", { "aria-hidden": "true" });
    this.drawLines(g, left, right);
    this.drawPairs(g, left, middle, below, below + panel);
    this.drawCurve(g, right, this.turnTop, this.turnTop + panel);
    renew(this.drawing, g);
    this.showControls();
  }

  drawLines(g, left, right) {
    const { day, top, floor, origin, now } = this;
    const up = linear([130, 500], [floor, top]);
    g.append(text(0, 12, "reaction time (ms): partially pooled lines", "title"));
    for (const t of [200, 300, 400, 500]) {
      g.append(level(left, right, up(t), "grid"), text(left - 6, up(t) + 4, String(t), "tick", "end"));
    }
    for (const t of [0, 3, 6, 9]) g.append(text(day(t), floor + 18, String(t), "tick", "middle"));
    g.append(level(left, right, floor, "axis"), level(day(0), day(9), floor, "line of-ink"));
    const drawn = ([a, b], kind) => svg("path", { class: kind, d: path(
      [ORIGIN.min, ORIGIN.max].map((t) => [day(t), up(a + b * t)])) });
    if (this.model !== LEARNED) {
      for (const line of this.learned.lines) g.append(drawn(line, "ghost"));
    }
    for (const line of now.lines) g.append(drawn(line, "curve"));
    const x = day(origin);
    g.append(upright(x, top, floor, "now"));
    for (const [a, b] of now.lines) g.append(diamond(x, up(a + b * origin), 4, "given"));
    g.append(svg("circle", { cx: x, cy: floor, r: 8, class: "knob" }));
    g.append(text(clamp(x, left + 40, right - 40), floor + 36,
      `x = 0 at day ${number(origin, origin % 1 ? 1 : 0)}`, "name", "middle"));
  }

  drawPairs(g, left, right, top, floor) {
    const { now, origin } = this;
    const across = linear(HEIGHTS, [left, right]);
    const up = linear(SLOPES, [floor, top]);
    g.append(text(0, top - 14, "slope (ms per day)", "title"));
    for (const t of ticks(...SLOPES, 4)) {
      g.append(level(left, right, up(t), "grid"));
      g.append(text(left - 6, up(t) + 4, number(t, 0), "tick", "end"));
    }
    for (const t of [100, 200, 300, 400, 500]) {
      g.append(text(across(t), floor + 18, String(t), "tick", "middle"));
    }
    g.append(level(left, right, floor, "axis"));
    g.append(text((left + right) / 2, floor + 36, "height at the origin (ms)", "tick", "middle"));
    const [a, b, d] = now.sigma;
    const first = Math.sqrt(a);
    const rest = Math.sqrt(Math.max(0, d - b * b / a));
    const points = Array.from({ length: 73 }, (_, k) => {
      const [u, v] = [Math.cos(k * Math.PI / 36), Math.sin(k * Math.PI / 36)];
      return [across(now.mu[0] + HALF * first * u),
        up(now.mu[1] + HALF * (b / first * u + rest * v))];
    });
    g.append(svg("path", { d: path(points), class: "band" }));
    g.append(svg("path", { d: path(points), class: "curve chosen" }));
    for (const [height, slope] of now.lines) {
      g.append(diamond(across(height + slope * origin), up(slope), 4, "given"));
    }
  }

  drawCurve(g, right, top, floor) {
    const { turn, now, origin, curve, turnLeft: left } = this;
    const up = linear([-1, 1], [floor, top]);
    g.append(text(left - 34, top - 14, "correlation", "title"));
    for (const t of [-1, -0.5, 0, 0.5, 1]) {
      g.append(level(left, right, up(t), "grid"));
      g.append(text(left - 6, up(t) + 4, number(t, t % 1 ? 1 : 0), "tick", "end"));
    }
    for (const t of [0, 3, 6, 9]) g.append(text(turn(t), floor + 18, String(t), "tick", "middle"));
    g.append(level(left, right, floor, "axis"));
    g.append(text((left + right) / 2, floor + 36, "origin (day)", "tick", "middle"));
    const edge = [...curve.map(({ c, high }) => [turn(c), up(high)]),
      ...curve.map(({ c, low }) => [turn(c), up(low)]).reverse()];
    g.append(svg("path", { d: path(edge), class: "band" }));
    g.append(svg("path", { d: path(curve.map(({ c, rho }) => [turn(c), up(rho)])), class: "curve" }));
    g.append(upright(turn(origin), top, floor, "now"));
    g.append(diamond(turn(origin), up(now.rho), 6, "given"));
  }

  showControls() {
    const { origin, now } = this;
    const shown = number(origin, origin % 1 ? 1 : 0);
    this.originSlider.show(origin, shown, `day ${shown}`);
    this.modelChoice.input.value = this.model;
    const row = (head, value) => html("tr", {}, html("th", { scope: "row" }, head),
      html("td", {}, value));
    renew(this.table, html("tbody", {},
      row("sd of heights at the origin (ms)", number(now.tauA, 1)),
      row("sd of slopes (ms per day)", number(now.tauB, 2)),
      row("correlation", number(now.rho, 2)),
      row("largest move of a line, days 0 to 9 (ms)", number(this.moved, 1))));
  }

  /** A sentence: the origin, the population there, and what the lines did. */
  sentence() {
    const { origin, now } = this;
    const said = [
      `x is zero at day ${number(origin, origin % 1 ? 1 : 0)}.`,
      `There, people's heights have an sd of ${number(now.tauA, 1)} ms, and their slopes one of ` +
        `${number(now.tauB, 2)} ms per day.`,
    ];
    if (this.model === LEARNED) {
      said.push(`Their correlation is ${number(now.rho, 2)}, with a 95% interval from ` +
        `${number(now.low, 2)} to ${number(now.high, 2)}. The lines do not depend on the origin.`);
    } else {
      said.push("Their correlation is assumed to be zero. Some line is now " +
        `${number(this.moved, 1)} ms away from where a learned correlation puts it.`);
    }
    return said.join(" ");
  }
}

customElements.define("slope-origin", SlopeOrigin);
