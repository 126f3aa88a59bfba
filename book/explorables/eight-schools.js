// Eight schools: posterior means of the effects as tau, the data or its prior change.

import {
  givenTau, posterior, posteriorMeans, PRIOR_DENSITIES, PRIORS,
} from "./exact.js";
import {
  button, change, choice, clamp, diamond, Explorable, html, level, linear, number,
  path, renew, set, slider, svg, text, ticks, triangle, upright,
} from "./parts.js";

const HANDLE = 10; // px: the radius of a school's handle
const CURVE = 61; // points of a curve
const KEYS = {
  ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10,
};

class EightSchools extends Explorable {
  build(data) {
    Object.assign(this, data);
    this.chosen = 0;
    this.prior = 0;
    this.restore();
    const { estimate, se, tau } = this.ranges;
    this.tauSlider = slider("τ, the sd between schools", tau, (v) => {
      this.tau = v;
      this.update();
    });
    this.schoolChoice = choice("School", this.schools, (j) => {
      this.chosen = j;
      this.update();
    });
    this.ySlider = slider("", estimate, (v) => this.move(this.chosen, v));
    this.seSlider = slider("", se, (v) => this.measure(this.chosen, v));
    this.priorChoice = choice(
      "Prior of τ", this.priors.map((p) => p.name), (k) => {
        this.prior = k;
        this.update();
      },
    );
    this.table = html("table", { class: "answers" });
    const reset = button("Reset to the observed data", () => {
      this.restore();
      this.update();
    });
    this.controls.append(
      this.tauSlider.row, this.schoolChoice.row, this.ySlider.row,
      this.seSlider.row, this.priorChoice.row,
      html("div", { class: "control" }, reset),
      html("div", { class: "scrolls", tabindex: 0, role: "region",
        "aria-label": "The estimates as a table" }, this.table),
    );
    // Handles are kept when the figure is redrawn, so that they keep the focus.
    this.back = svg("g", { "aria-hidden": "true" });
    this.handles = this.schools.map((name, j) => this.handle(name, j));
    this.grip = svg("circle", { r: HANDLE - 2, class: "grip" });
    this.over = svg("g", { "aria-hidden": "true", class: "over" });
    this.drawing.append(this.back, this.grip, ...this.handles, this.over);
    this.drawing.addEventListener("pointerdown", (event) => this.press(event));
  }

  restore() {
    this.y = [...this.observed];
    this.sigma = [...this.standardErrors];
    this.tau = this.ranges.tau.start;
  }

  handle(name, j) {
    const { min, max } = this.ranges.estimate;
    const g = svg("g", {
      role: "slider", tabindex: 0, class: "handle", "aria-orientation": "vertical",
      "aria-valuemin": min, "aria-valuemax": max,
      "aria-label": `School ${name}: estimate`,
    }, svg("circle", { r: HANDLE }), text(0, 4, name, "", "middle"));
    g.addEventListener("focus", () => {
      if (this.chosen !== j) this.choose(j);
    });
    g.addEventListener("keydown", (event) => this.key(event, j));
    return g;
  }

  choose(j) {
    this.chosen = j;
    this.update(false);
  }

  move(j, value) {
    this.chosen = j;
    const { min, max } = this.ranges.estimate;
    this.y[j] = clamp(Math.round(value), min, max);
    this.update();
  }

  measure(j, value) {
    const { min, max } = this.ranges.se;
    this.sigma[j] = clamp(Math.round(value), min, max);
    this.update();
  }

  key(event, j) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { min, max } = this.ranges.estimate;
    const step = KEYS[event.key];
    if (step) this.move(j, this.y[j] + (event.shiftKey ? 10 : 1) * step);
    else if (event.key === "Home") this.move(j, min);
    else if (event.key === "End") this.move(j, max);
    else if (event.key === "[") this.measure(j, this.sigma[j] - 1);
    else if (event.key === "]") this.measure(j, this.sigma[j] + 1);
    else if (event.key === "Escape") {
      this.sigma[j] = this.standardErrors[j];
      this.move(j, this.observed[j]);
    } else return;
    event.preventDefault();
  }

  press(event) {
    if (event.button) return;
    const [x, y] = this.place(event);
    const up = this.up;
    const near = (j) => Math.hypot(x - this.across(j), y - up(this.shown(this.y[j])));
    const order = this.schools.map((_, j) => j).sort((a, b) => near(a) - near(b));
    const j = order[0];
    const c = this.chosen;
    if (this.gripNear(x, y) && near(j) > HANDLE) {
      this.follow(event, (_, to) => this.measure(c, up.inverse(to) - this.y[c]), {
        holding: true,
      });
    } else if (near(j) < 2 * HANDLE) {
      const shift = this.y[j] - up.inverse(y);
      this.frozen = this.span;
      this.handles[j].focus({ preventScroll: true });
      const onEnd = () => {
        this.frozen = null;
        this.update();
      };
      this.follow(event, (_, to) => this.move(j, up.inverse(to) + shift), {
        holding: true, onEnd,
      });
    } else if (x < this.right + HANDLE) {
      const { min, max, step } = this.ranges.tau;
      const go = (at) => {
        const value = Math.round(this.along.inverse(at) / step) * step;
        this.tau = clamp(value, min, max);
        this.update();
      };
      go(x);
      this.follow(event, go);
    }
  }

  gripNear(x, y) {
    const at = this.gripAt();
    return Math.hypot(x - at[0], y - at[1]) < 1.6 * HANDLE;
  }

  gripAt() {
    const c = this.chosen;
    return [this.across(c), this.up(this.shown(this.y[c] + this.sigma[c]))];
  }

  shown(value) {
    return clamp(value, ...this.span);
  }

  get logPrior() {
    const { kind, scale } = this.priors[this.prior];
    return PRIORS[kind](scale);
  }

  answer(y, sigma) {
    return posterior(y, sigma, this.logPrior);
  }

  /** How much each posterior mean changes per point of the chosen school's estimate. */
  slopes() {
    const moved = (by) => posteriorMeans(
      this.y.map((v, j) => v + (j === this.chosen ? by : 0)), this.sigma, this.logPrior);
    const [up, down] = [moved(0.5), moved(-0.5)];
    return up.map((mean, j) => mean - down[j]);
  }

  get changed() {
    return this.schools.some(
      (_, j) => this.y[j] !== this.observed[j] || this.sigma[j] !== this.standardErrors[j],
    );
  }

  /** Compute what depends on the data and the prior, if one of them has changed. */
  solve() {
    const problem = [this.y, this.sigma, this.prior, this.chosen].join();
    if (problem === this.solved) return;
    this.solved = problem;
    this.now = this.answer(this.y, this.sigma);
    this.rates = this.slopes();
  }

  draw(width) {
    this.solve();
    if (this.beforePrior !== this.prior) {
      this.beforePrior = this.prior;
      this.before = this.answer(this.observed, this.standardErrors);
    }
    this.here = givenTau(this.y, this.sigma, this.tau);
    this.layOut(width);
    const parts = svg("g");
    this.drawCurves(parts);
    this.drawSchools(parts);
    this.drawDensity(parts);
    renew(this.back, parts);
    renew(this.over, this.answers());
    this.handles.forEach((g, j) => {
      const at = `translate(${this.across(j)},${this.up(this.shown(this.y[j]))})`;
      set(g, {
        transform: at, class: j === this.chosen ? "handle chosen" : "handle",
        "aria-valuenow": this.y[j],
        "aria-valuetext": `${number(this.y[j], 0)} points, standard error ` +
          `${this.sigma[j]}; averaged over τ ${number(this.now.mean[j])}`,
      });
    });
    const [cx, cy] = this.gripAt();
    set(this.grip, { cx, cy });
    this.showControls();
    this.fillTable();
  }

  layOut(width) {
    const narrow = width < 520;
    this.width = width;
    this.top = 24;
    this.bottom = narrow ? 330 : 360;
    this.floor = this.bottom + (narrow ? 120 : 130);
    this.left = 34;
    this.right = Math.round(width * (narrow ? 0.44 : 0.54));
    this.first = this.right + 34;
    this.last = width - 24;
    const c = this.chosen;
    const low = Math.min(...this.y, ...this.observed) - 9;
    const high = Math.max(...this.y, ...this.observed, this.y[c] + this.sigma[c]) + 3;
    // While a school is dragged the scale may grow, but not shrink.
    const held = this.frozen ?? [low, high];
    this.span = [Math.min(low, held[0]), Math.max(high, held[1])];
    this.up = linear(this.span, [this.bottom, this.top]);
    this.along = linear([this.ranges.tau.min, this.ranges.tau.max],
      [this.left, this.right]);
    this.across = linear([0, this.schools.length - 1], [this.first, this.last]);
    set(this.drawing, { viewBox: `0 0 ${width} ${this.floor + 36}` });
  }

  grid() {
    const { min, max } = this.ranges.tau;
    return Array.from({ length: CURVE }, (_, k) => min + ((max - min) * k) / (CURVE - 1));
  }

  drawCurves(g) {
    const { along, up, left, right, bottom, top, chosen } = this;
    for (const t of ticks(...this.span, 6)) {
      g.append(level(left, this.width, up(t), "grid"));
      g.append(text(left - 5, up(t) + 4, number(t, 0), "tick", "end"));
    }
    g.append(text(0, 12, "effect if τ were known", "title"));
    const taus = this.grid();
    const given = taus.map((t) => givenTau(this.y, this.sigma, t));
    const x = taus.map(along);
    const edge = (sign) =>
      given.map((a, k) => [x[k], up(this.shown(a.mean[chosen] + sign * a.sd[chosen]))]);
    g.append(svg("path", {
      d: path([...edge(1), ...edge(-1).reverse()]) + "Z", class: "band",
    }));
    this.schools.forEach((_, j) => {
      const line = given.map((a, k) => [x[k], up(a.mean[j])]);
      g.append(svg("path", { d: path(line), class: j === chosen ? "curve chosen" : "curve" }));
    });
    g.append(upright(along(this.tau), top, this.floor, "now"));
    g.append(svg("circle", { cx: along(this.tau), cy: this.floor, r: 7, class: "knob" }));
    this.schools.forEach((_, j) => {
      g.append(diamond(along(this.tau), up(this.here.mean[j]), j === chosen ? 5 : 3, "given"));
    });
    g.append(level(left, right, bottom, "axis"));
  }

  drawSchools(g) {
    const { up, across, first, last, chosen } = this;
    const narrow = this.width < 520;
    g.append(text(this.width, 12, narrow ? "each school" : "each school, drag its circle",
      "title", "end"));
    const complete = up(givenTau(this.y, this.sigma, 0).mu.mean);
    g.append(level(first - 14, last + 22, complete, "complete"));
    this.schools.forEach((_, j) => {
      const x = across(j);
      const bar = [this.y[j] - this.sigma[j], this.y[j] + this.sigma[j]].map((v) =>
        up(this.shown(v)));
      g.append(upright(x, ...bar, j === chosen ? "se chosen" : "se"));
      if (this.y[j] !== this.observed[j]) {
        const cy = up(this.observed[j]);
        g.append(svg("circle", { cx: x, cy, r: HANDLE, class: "ghost" }));
      }
    });
  }

  /** Marks of the posterior means, beside the circles and in front of them. */
  answers() {
    const g = svg("g");
    const aside = Math.min(HANDLE + 5, (this.across(1) - this.across(0)) / 2 + 1);
    this.schools.forEach((_, j) => {
      const x = this.across(j) + aside;
      if (this.changed) g.append(triangle(x, this.up(this.before.mean[j]), 6, "ghost"));
      g.append(diamond(x, this.up(this.here.mean[j]), 5, "given"));
      g.append(triangle(x, this.up(this.now.mean[j]), 5, "exact"));
    });
    return g;
  }

  drawDensity(g) {
    const { along, left, right, bottom, floor } = this;
    const { kind, scale } = this.priors[this.prior];
    const prior = PRIOR_DENSITIES[kind](scale);
    const taus = this.grid();
    const density = taus.map(this.now.densityTau);
    const belief = prior && taus.map(prior);
    const highest = Math.max(...density, ...(belief ?? []));
    const up = linear([0, highest], [floor, bottom + 34]);
    const curve = density.map((d, k) => [along(taus[k]), up(d)]);
    g.append(svg("path", {
      d: path([[left, floor], ...curve, [right, floor]]) + "Z", class: "mass",
    }));
    g.append(svg("path", { d: path(curve), class: "density" }));
    if (belief) {
      g.append(svg("path", {
        d: path(belief.map((d, k) => [along(taus[k]), up(d)])), class: "prior",
      }));
    }
    g.append(text(left, bottom + 20, "p(τ | y)", "title"));
    g.append(level(left, right, floor, "axis"));
    for (const t of ticks(this.ranges.tau.min, this.ranges.tau.max, 4)) {
      g.append(text(along(t), floor + 20, number(t, 0), "tick", "middle"));
    }
    g.append(text(right + 12, floor + 20, "τ", "tick"));
    this.drawLegend(g);
  }

  drawLegend(g) {
    const x = this.first - 2;
    const rows = [
      [svg("circle", { cx: x, cy: -4, r: 6, class: "own" }), "its own estimate"],
      [diamond(x, -4, 6, "given"), `if τ were ${number(this.tau)}`],
      [triangle(x, -4, 6, "exact"), "averaged over τ"],
      [level(x - 7, x + 7, -4, "complete"), "complete pooling"],
    ];
    if (this.changed) rows.push([triangle(x, -4, 6, "ghost"), "as observed"]);
    rows.forEach(([mark, words], k) => {
      const y = this.bottom + 34 + 22 * k;
      g.append(svg("g", { transform: `translate(0,${y})` }, mark, text(x + 13, 0, words)));
    });
  }

  showControls() {
    const c = this.chosen;
    const name = this.schools[c];
    const points = (v) => `${number(v, 0)} points`;
    this.schoolChoice.input.value = c;
    this.priorChoice.input.value = this.prior;
    this.tauSlider.show(this.tau, number(this.tau), `${number(this.tau)} points`);
    this.ySlider.name.textContent = `${name}'s estimate`;
    this.ySlider.show(this.y[c], number(this.y[c], 0), points(this.y[c]));
    this.seSlider.name.textContent = `${name}'s standard error`;
    this.seSlider.show(this.sigma[c], number(this.sigma[c], 0), points(this.sigma[c]));
  }

  fillTable() {
    const name = this.schools[this.chosen];
    const rows = [
      ["own estimate", this.y.map((v) => number(v, 0))],
      [`if τ were ${number(this.tau)}`, this.here.mean.map((v) => number(v))],
      ["averaged over τ", this.now.mean.map((v) => number(v))],
      ["change from the observed", this.now.mean.map((v, j) => change(v - this.before.mean[j]))],
      [`per point of ${name}'s estimate`, this.rates.map((v) => change(v, 2))],
    ];
    const mark = (j) => (j === this.chosen ? { class: "chosen" } : {});
    renew(
      this.table,
      html("thead", {}, html("tr", {}, html("th", { scope: "col" }, "school"),
        ...this.schools.map((s, j) => html("th", { scope: "col", ...mark(j) }, s)))),
      html("tbody", {}, ...rows.map(([head, cells]) =>
        html("tr", {}, html("th", { scope: "row" }, head),
          ...cells.map((cell, j) => html("td", mark(j), cell))))),
    );
  }

  /** A sentence: what was changed, and how the posterior means changed with it. */
  sentence() {
    const c = this.chosen;
    const name = this.schools[c];
    const { mean, sd, tau, tailTau } = this.now;
    const moved = this.y[c] - this.observed[c];
    const others = this.schools.map((_, j) => j).filter((j) => j !== c);
    const said = [];
    if (moved) said.push(`${name}'s estimate ${change(moved, 0)}.`);
    if (this.sigma[c] !== this.standardErrors[c]) {
      said.push(`${name}'s standard error is ${this.sigma[c]}, ` +
        `not ${this.standardErrors[c]}.`);
    }
    said.push(`Averaged over τ, the posterior mean of ${name} is ${number(mean[c])}, ` +
      `sd ${number(sd[c])}` +
      (this.changed ? ` (${change(mean[c] - this.before.mean[c])}).` : "."));
    if (this.changed) {
      const shifts = others.map((j) =>
        `${this.schools[j]} ${change(mean[j] - this.before.mean[j])}`);
      said.push(`The others: ${shifts.join(", ")}.`);
      const against = others.filter((j) => this.rates[j] < 0);
      if (against.length) {
        const names = against.map((j) => this.schools[j]).join(", ");
        const [way, turn] = moved < 0 ? ["Lower", "rise"] : ["Raise", "fall"];
        said.push(`${way} ${name} further, and these ${turn}: ${names}.`);
      }
    }
    said.push(`If τ were ${number(this.tau)}, ${name} would get ` +
      `${number(this.here.mean[c])}. The posterior mean of τ is ${number(tau.mean)}; ` +
      `the probability that τ is above ${number(this.tau)} is ` +
      `${number(100 * tailTau(this.tau), 0)}%.`);
    return said.join(" ");
  }
}

customElements.define("eight-schools", EightSchools);
