// Climb the ridge: where an optimiser stops, and where the posterior probability lies.

import { givenTau, posterior, PRIORS } from "./exact.js";
import {
  button, choice, clamp, diamond, Explorable, html, level, linear, number, path,
  renew, set, slider, svg, text, ticks, triangle, upright,
} from "./parts.js";
import { ascend, begin, between, DENSITIES, flat } from "./ridge.js";

const PATIENCE = 60; // steps that one press of Play takes at most
const PACE = 80; // ms between two of them
const CURVE = 121; // points of a curve
// Key in DENSITIES -> its name in the figure, and in a sentence.
const CLIMBS = {
  centered: ["joint, centered", "The centered climb"],
  noncentered: ["joint, non-centered", "The non-centered climb"],
  marginal: ["marginal of τ", "The climb of the marginal"],
};
const KINDS = Object.keys(CLIMBS);
const RAISED = { "-": "⁻", ...Object.fromEntries([..."⁰¹²³⁴⁵⁶⁷⁸⁹"].entries()) };

const superscript = (whole) => [...String(whole)].map((c) => RAISED[c]).join("");

/** A positive number of any size, in at most about six characters. */
function small(value) {
  if (value >= 1000 || value < 0.001) {
    const [digits, power] = value.toExponential(0).split("e");
    return `${digits}\u202f×\u202f10${superscript(Number(power))}`;
  }
  return number(value, value < 0.1 ? 3 : value < 1 ? 2 : value < 100 ? 1 : 0);
}

/** A probability: as a percentage, unless it is below 0.01%. */
function chance(p) {
  return p < 1e-4 ? small(p) : `${number(100 * p, p < 0.01 ? 2 : p < 0.1 ? 1 : 0)}%`;
}

class ClimbTheRidge extends Explorable {
  build(data) {
    Object.assign(this, data);
    this.climb = KINDS[0];
    this.prior = this.usual;
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    const { min, max } = this.range;
    const ends = { min: Math.log10(min), max: Math.log10(max), step: 0.01 };
    this.startSlider = slider("Start at τ", ends, (v) => this.startAt(10 ** v));
    this.climbChoice = choice("Climb", KINDS.map((k) => CLIMBS[k][0]), (k) => {
      this.stop();
      this.climb = KINDS[k];
      this.update();
    });
    this.priorChoice = choice("Prior of τ", this.priors.map((p) => p.name), (k) => {
      this.prior = k;
      this.setUp();
      this.update();
    });
    this.play = button("Play", () => (this.playing ? this.stop() : this.go()));
    const step = button("Step", () => {
      this.stop();
      this.advance();
      this.update();
    });
    const reset = button("Reset", () => this.startAt(this.start));
    this.table = html("table", { class: "answers" });
    this.controls.append(
      this.startSlider.row, this.climbChoice.row,
      html("div", { class: "control" }, this.play, step, reset), this.priorChoice.row,
      html("div", { class: "scrolls", tabindex: 0, role: "region",
        "aria-label": "The climbs as a table" }, this.table),
    );
    this.window = svg("rect");
    this.drawing.append(
      svg("clipPath", { id: "climb-the-ridge-window" }, this.window),
      this.parts = svg("g", { "aria-hidden": "true" }),
    );
    this.drawing.addEventListener("pointerdown", (event) => this.press(event));
    this.setUp();
  }

  /** Set up the densities under the chosen prior, each climb at its start. */
  setUp() {
    const scale = this.priors[this.prior].scale ?? Infinity;
    const { observed: y, standardErrors: sigma } = this;
    this.answer = posterior(y, sigma, PRIORS["half-normal"](scale));
    this.start ??= this.answer.tau.mean;
    this.densities = Object.fromEntries(
      KINDS.map((kind) => [kind, DENSITIES[kind]({ y, sigma, scale })]));
    this.known = new Map(); // most rows of the table stay while one climbs
    this.gather();
  }

  gather() {
    this.stop();
    this.trails = Object.fromEntries(KINDS.map((kind) => {
      const density = this.densities[kind];
      return [kind, [begin(density, density.best(this.start))]];
    }));
    this.ended = {};
  }

  startAt(tau) {
    this.start = clamp(tau, this.range.min, this.range.max);
    this.gather();
    this.update();
  }

  /** Take a step of the chosen climb; false if no step is possible. */
  advance() {
    const trail = this.trails[this.climb];
    const next = ascend(this.densities[this.climb], trail.at(-1));
    if (next) trail.push(next);
    else this.ended[this.climb] = true;
    return Boolean(next);
  }

  go() {
    let left = PATIENCE;
    if (this.still.matches) {
      while (left-- && this.advance());
      this.update();
      return;
    }
    let due = performance.now();
    const tick = (now) => {
      if (now >= due) {
        due = now + PACE;
        if (!left-- || !this.advance()) {
          this.stop();
          this.update();
          return;
        }
        this.update(false);
      }
      this.playing = requestAnimationFrame(tick);
    };
    this.playing = requestAnimationFrame(tick);
    this.play.textContent = "Pause";
  }

  stop() {
    if (this.playing) this.speak(400);
    cancelAnimationFrame(this.playing);
    this.playing = null;
    this.play.textContent = "Play";
  }

  press(event) {
    const [x, y] = this.place(event);
    if (x > this.right + 10 || y > this.floor + 24) return;
    const go = (at) => this.startAt(Math.exp(this.along.inverse(at)));
    this.frozen = this.along; // a scale that moved would run away from the finger
    go(x);
    this.follow(event, go, {
      onEnd: () => {
        this.frozen = null;
        this.update();
      },
    });
  }

  tau(kind) {
    return Math.exp(this.trails[kind].at(-1).point[0]);
  }

  gain(kind) {
    return this.trails[kind].at(-1).height - this.trails[kind][0].height;
  }

  effects(kind) {
    return this.densities[kind].effects(this.trails[kind].at(-1).point);
  }

  /** The probability within a factor of two of a tau, and above it, in words. */
  about(tau) {
    if (!this.known.has(tau)) {
      const near = between(this.answer.densityTau, tau / 2, 2 * tau);
      this.known.set(tau, [near, this.answer.tailTau(tau)].map(chance));
    }
    return this.known.get(tau);
  }

  draw(width) {
    this.layOut(width);
    const g = svg("g");
    this.drawGain(g);
    this.drawMass(g);
    this.drawEffects(g);
    this.drawLegend(g);
    renew(this.parts, g);
    this.showControls();
    this.fillTable();
  }

  layOut(width) {
    const narrow = width < 520;
    this.narrow = narrow;
    this.width = width;
    this.left = 38;
    this.right = narrow ? width - 8 : Math.round(width * 0.6);
    this.top = 24;
    this.bottom = narrow ? 210 : 240;
    this.ceiling = this.bottom + 30;
    this.floor = this.ceiling + 80;
    this.first = narrow ? 24 : this.right + 34;
    this.head = narrow ? this.floor + 72 : this.top;
    this.foot = narrow ? this.head + 190 : this.floor;
    this.legend = this.foot + 56;
    const rows = narrow ? 3 : 2;
    set(this.drawing, { viewBox: `0 0 ${width} ${this.legend + 20 * rows}` });
    set(this.window, { x: this.left, y: this.top, width: this.right - this.left,
      height: this.bottom - this.top });
    const visited = KINDS.flatMap((kind) => this.trails[kind].map((s) => s.point[0]));
    this.span = [Math.min(Math.log(this.range.min), ...visited) - 0.5,
      Math.max(Math.log(this.range.max), ...visited) + 0.2];
    this.along = this.frozen ?? linear(this.span, [this.left, this.right]);
    const highest = Math.max(4, 1.1 * Math.max(...KINDS.map((k) => this.gain(k))));
    this.up = linear([-0.3 * highest - 2, highest], [this.bottom, this.top]);
  }

  /** The class of a density's curve. */
  kindOf(kind) {
    return `climb ${kind}${kind === this.climb ? " chosen" : ""}`;
  }

  grid() {
    const map = linear([0, CURVE - 1], [this.left, this.right]);
    return Array.from({ length: CURVE }, (_, k) => this.along.inverse(map(k)));
  }

  drawGain(g) {
    const { along, up, left, right, top, bottom, climb } = this;
    const x = this.grid();
    const inside = svg("g", { "clip-path": "url(#climb-the-ridge-window)" });
    const order = [...KINDS.filter((kind) => kind !== climb), climb];
    for (const kind of order) {
      const density = this.densities[kind];
      const zero = this.trails[kind][0].height;
      const best = x.map((v) => density.value(density.best(Math.exp(v))).height - zero);
      inside.append(svg("path", {
        // Far above the window a curve would leave the range of coordinates.
        d: path(best.map((h, k) => [along(x[k]), clamp(up(h), -1e4, 1e4)])),
        class: this.kindOf(kind),
      }));
    }
    g.append(text(0, 12, "log density gained, maximised over the rest", "title"));
    for (const tick of ticks(up.inverse(bottom), up.inverse(top), 6)) {
      g.append(level(left, right, up(tick), "grid"));
      g.append(text(left - 5, up(tick) + 4, number(tick, 0), "tick", "end"));
    }
    g.append(inside, level(left, right, bottom, "axis"));
    const begun = [along(Math.log(this.start)), up(0)];
    g.append(svg("circle", { cx: begun[0], cy: begun[1], r: 9, class: "begun" }));
    g.append(text(begun[0] - 10, begun[1] + 34, "start", "tick", "end"));
    for (const kind of order) {
      const trail = this.trails[kind];
      const at = (s) => [along(s.point[0]), up(s.height - trail[0].height)];
      for (const s of trail.slice(0, -1)) {
        const [cx, cy] = at(s);
        if (cy < bottom) g.append(svg("circle", { cx, cy, r: 2, class: `dot ${kind}` }));
      }
      if (trail.length > 1 || kind === climb) {
        const [cx, cy] = at(trail.at(-1));
        g.append(svg("circle", { cx, cy, r: kind === climb ? 6 : 4, class: `dot ${kind}` }));
      }
    }
    const here = along(Math.log(this.tau(climb)));
    g.append(upright(here, top, bottom, `now ${climb}`));
    g.append(upright(here, this.ceiling, this.floor, `now ${climb}`));
  }

  drawMass(g) {
    const { along, left, right, ceiling, floor } = this;
    const x = this.grid();
    const density = (v) => this.answer.densityTau(Math.exp(v)) * Math.exp(v);
    const p = x.map(density);
    const up = linear([0, Math.max(...p)], [floor, ceiling + 6]);
    const area = (from, to) => {
      const within = Array.from({ length: 41 }, (_, k) => from + ((to - from) * k) / 40);
      const line = within.map((v) => [along(v), up(density(v))]);
      return path([[along(from), floor], ...line, [along(to), floor]]) + "Z";
    };
    const shown = [x[0], x.at(-1)];
    g.append(svg("path", { d: area(...shown), class: "mass" }));
    const here = Math.log(this.tau(this.climb));
    const near = [here - Math.LN2, here + Math.LN2].map((v) => clamp(v, ...shown));
    g.append(svg("path", { d: area(...near), class: "mass near" }));
    g.append(svg("path", { d: path(p.map((d, k) => [along(x[k]), up(d)])), class: "density" }));
    g.append(text(left, ceiling - 4, "p(log τ | y): area is probability", "title"));
    g.append(level(left, right, floor, "axis"));
    const [from, to] = shown.map((v) => v / Math.LN10);
    const every = Math.ceil((to - from) / (this.narrow ? 5 : 6));
    for (let power = Math.ceil(from / every) * every; power <= to; power += every) {
      const words = power >= -2 && power <= 3
        ? String(Number(`1e${power}`)) : `10${superscript(power)}`;
      const at = along(power * Math.LN10);
      g.append(upright(at, floor, floor + 4, "axis"));
      g.append(text(at, floor + 18, words, "tick", "middle"));
    }
    g.append(text((left + right) / 2, floor + 34, "τ", "tick", "middle"));
    const mean = along(Math.log(this.answer.tau.mean));
    g.append(triangle(mean, floor + 1, 6, "exact"));
  }

  drawEffects(g) {
    const { first, head, foot, width, climb } = this;
    const low = Math.min(...this.observed) - 2;
    const high = Math.max(...this.observed) + 2;
    const across = linear([low, high], [first + 8, width - 8]);
    const row = linear([-0.6, this.schools.length - 0.4], [head, foot]);
    const complete = across(givenTau(this.observed, this.standardErrors, 0).mu.mean);
    g.append(text(this.narrow ? 0 : first - 16, head - 12, "the effects", "title"));
    g.append(upright(complete, head, foot, "complete"));
    this.effects(climb).forEach((effect, j) => {
      const at = row(j);
      g.append(level(first, width, at, "grid"));
      g.append(text(first - 6, at + 4, this.schools[j], "tick", "end"));
      g.append(svg("circle", { cx: across(this.observed[j]), cy: at, r: 6, class: "own" }));
      g.append(triangle(across(this.answer.mean[j]), at, 6, "exact"));
      g.append(diamond(across(clamp(effect, low, high)), at, 6, `dot ${climb}`));
    });
    g.append(level(first, width, foot, "axis"));
    for (let v = Math.ceil(low / 10) * 10; v <= high; v += 10) {
      g.append(text(across(v), foot + 18, number(v, 0), "tick", "middle"));
    }
    g.append(text((first + width) / 2, foot + 34, "points", "tick", "middle"));
  }

  drawLegend(g) {
    const line = (kind) => level(0, 22, -4, this.kindOf(kind));
    const entries = [
      ...KINDS.map((kind) => [line(kind), CLIMBS[kind][0]]),
      [svg("circle", { cx: 11, cy: -4, r: 6, class: "own" }), "own estimate"],
      [diamond(11, -4, 6, `dot ${this.climb}`), "where the climb is"],
      [triangle(11, -4, 6, "exact"), "posterior mean"],
    ];
    const columns = this.narrow ? 2 : 3;
    const rows = entries.length / columns;
    entries.forEach(([mark, words], k) => {
      const [column, row] = this.narrow ? [Math.floor(k / rows), k % rows]
        : [k % columns, Math.floor(k / columns)];
      const x = 4 + (column * this.width) / columns;
      const y = this.legend + 10 + 20 * row;
      g.append(svg("g", { transform: `translate(${x},${y})` }, mark, text(29, 0, words)));
    });
  }

  showControls() {
    const words = small(this.start);
    this.startSlider.show(Math.log10(this.start), words, `τ = ${words} points`);
    this.climbChoice.input.value = KINDS.indexOf(this.climb);
    this.priorChoice.input.value = this.prior;
  }

  fillTable() {
    const { tau, mean } = this.answer;
    const climbs = KINDS.map((kind) => {
      const t = this.tau(kind);
      return [kind, [this.trails[kind].length - 1, small(t), number(this.gain(kind)),
        ...this.about(t), number(this.effects(kind)[0])]];
    });
    const exact = ["mean", ["", small(tau.mean), "", ...this.about(tau.mean), number(mean[0])]];
    const heads = ["steps", "τ", "gain", "within ×2 of τ", "above τ",
      `effect of ${this.schools[0]}`];
    renew(
      this.table,
      html("thead", {}, html("tr", {}, html("th", { scope: "col" }, "climb"),
        ...heads.map((head) => html("th", { scope: "col" }, head)))),
      html("tbody", {}, ...[...climbs, exact].map(([kind, cells]) => html("tr", {},
        html("th", { scope: "row" }, CLIMBS[kind]?.[0] ?? "posterior mean"),
        ...cells.map((cell) => html("td", kind === this.climb ? { class: "chosen" } : {},
          cell))))),
    );
  }

  /** Why the climb has stopped, or that it can go on. */
  end() {
    const { climb } = this;
    const here = this.trails[climb].at(-1);
    const tau = this.tau(climb);
    if (flat(here)) {
      return "It has stopped, as the slope is zero to six digits" +
        (here.slope[0] < 0 && tau < 0.05 ? "; the top is at τ = 0." : ".");
    }
    if (climb === "centered" && tau < 0.1) {
      const rise = number(this.schools.length * Math.LN10);
      return (this.ended[climb]
        ? "It has stopped, as no step that it tries leads higher, but the ridge goes on: it"
        : "It never stops: the ridge") + ` rises by ${rise} with every factor of ten.`;
    }
    return this.ended[climb] ? "It has stopped, as no step that it tries leads higher."
      : "The density still rises.";
  }

  /** A sentence: where the climb is, why it stopped, and the probability near it. */
  sentence() {
    const { climb } = this;
    const trail = this.trails[climb];
    const steps = trail.length - 1;
    const tau = this.tau(climb);
    const [share, above] = this.about(tau);
    const near = `within a factor of two of that τ lies ${share} of the ` +
      "posterior probability";
    if (!steps) {
      return `${CLIMBS[climb][1]} starts at τ = ${small(tau)}, the other parameters at their best; ` +
        `${near}. The posterior mean of τ is ${small(this.answer.tau.mean)}.`;
    }
    const effects = this.effects(climb);
    const apart = Math.max(...effects) - Math.min(...effects);
    return `${CLIMBS[climb][1]} is at τ = ${small(tau)} after ${steps} ` +
      `step${steps > 1 ? "s" : ""}; its log density has risen by ` +
      `${number(this.gain(climb))}. ${this.end()} The effects there are ` +
      `${apart < 0.1 ? "less than 0.1" : number(apart)} points apart. Now ${near}, and ` +
      `above it ${above}. The posterior mean of τ is ` +
      `${small(this.answer.tau.mean)}.`;
  }
}

customElements.define("climb-the-ridge", ClimbTheRidge);
