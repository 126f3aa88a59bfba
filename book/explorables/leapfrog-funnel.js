// A funnel: the path of a ball through it in leapfrog steps, and draws of NUTS.

import {
  below, densityLog, follow, FORMS, LOST, nuts, random, roll,
} from "./hamiltonian.js";
import {
  button, choice, clamp, Explorable, html, level, linear, number, path, renew, set,
  slider, svg, text, ticks, upright,
} from "./parts.js";

const NAMES = ["centered", "non-centered"];
const HANDLE = 10; // px: the radius of the start
const PUSH = 30; // px of arrow for a momentum of one
const SIDES = [2, 3.5]; // how far the plane goes to either side, in each form
const REACH = [-4.6, 1.3]; // and log(sigma) down and up
const HARDEST = 3; // the largest push in a direction
const CONTOURS = [0.25, 1, 2, 4]; // below the top of the log density
const BIN = 0.2; // of log(sigma)
const SMALL = 1e-3; // the least error in energy that is drawn
const LARGE = 1e7;
const WHILE = 5; // time for which the true path is drawn
const KEYS = {
  ArrowUp: [0, 1], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowLeft: [-1, 0],
};

/** A letter with an index, for an axis. */
function indexed(x, y, kind, before, letter, index, anchor) {
  const small = svg("tspan", { dy: 4, "font-size": 10 }, index);
  const words = text(x, y, before + letter, kind, anchor);
  words.append(small);
  return words;
}

function cross(x, y, r) {
  return svg("path", {
    d: `M${x - r},${y - r}l${2 * r},${2 * r}m0,${-2 * r}l${-2 * r},${2 * r}`,
    class: "lost",
  });
}

const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

class LeapfrogFunnel extends Explorable {
  build(data) {
    Object.assign(this, data);
    const { step, steps } = this.ranges;
    this.targets = NAMES.map((name) => FORMS[name](this.scale));
    this.form = 0;
    this.step = step.start;
    this.steps = steps.start;
    this.share = below(this.neck, this.scale);
    this.pushes = random(20);
    this.restore();
    this.forget();
    this.formChoice = choice("Form", NAMES, (k) => this.change(k));
    this.stepSlider = slider("Step size", step, (value) => {
      this.step = value;
      this.forget();
      this.update();
    });
    this.stepsSlider = slider("Number of steps", steps, (value) => {
      this.steps = value;
      this.update();
    });
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.sampleButton = button("", () => this.sample());
    const bar = html("div", { class: "buttons" }, this.sampleButton,
      button("Push at random", () => this.kick()),
      button("Back to the first path", () => {
        this.restore();
        this.forget();
        this.update();
      }));
    this.table = html("table", { class: "answers" });
    this.controls.append(
      this.formChoice.row, this.stepSlider.row, this.stepsSlider.row, bar,
      html("div", { class: "scrolls", tabindex: 0, role: "region",
        "aria-label": "The draws as a table" }, this.table),
    );
    // What moves is drawn anew; handles stay, so that the focus does.
    const clip = `${this.localName}-plane`;
    this.frameOfPlane = svg("rect");
    this.back = svg("g", { "aria-hidden": "true" });
    const clipped = () =>
      svg("g", { "aria-hidden": "true", "clip-path": `url(#${clip})` });
    this.contours = clipped();
    this.piled = clipped();
    this.paths = clipped();
    this.over = svg("g", { "aria-hidden": "true", class: "over" });
    this.arrow = svg("path", { class: "arrow", "aria-hidden": "true" });
    this.startHandle = this.handle("Start of the path", REACH, "circle", (by, far) =>
      this.putStart(this.q.map((x, i) => x + by[i] * (far ? 0.5 : 0.05))));
    this.pushHandle = this.handle("Push", [-HARDEST, HARDEST], "path", (by, far) =>
      this.putPush(this.p.map((x, i) => x + by[i] * (far ? 0.5 : 0.1))));
    this.drawing.append(
      svg("clipPath", { id: clip }, this.frameOfPlane), this.back, this.contours,
      this.piled, this.paths, this.arrow, this.startHandle, this.pushHandle, this.over,
    );
    this.drawing.addEventListener("pointerdown", (event) => this.press(event));
  }

  handle(label, [min, max], shape, onKey) {
    const g = svg("g", {
      role: "slider", tabindex: 0, class: "handle chosen", "aria-label": label,
      "aria-orientation": "vertical", "aria-valuemin": min, "aria-valuemax": max,
    }, svg(shape));
    g.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const by = KEYS[event.key];
      if (!by) return;
      onKey(by, event.shiftKey);
      event.preventDefault();
    });
    return g;
  }

  get target() {
    return this.targets[this.form];
  }

  get side() {
    return SIDES[this.form];
  }

  get chain() {
    return this.chains[this.form];
  }

  restore() {
    const { b, v } = this.start;
    this.q = [b / (this.form ? Math.exp(v) : 1), v];
    this.p = [this.push.x, this.push.v];
  }

  /** Discard the draws: they belong to the step size that has been changed. */
  forget() {
    this.remaining = 0;
    this.chains = NAMES.map((_, k) => ({
      random: random(k + 1), draws: [], bad: [], low: 0, gradients: 0,
    }));
  }

  /** The same point in the other form's coordinates. */
  change(form) {
    const [x, v] = this.q;
    const b = x * (this.form ? Math.exp(v) : 1);
    this.form = form;
    this.remaining = 0;
    this.putStart([b / (form ? Math.exp(v) : 1), v]);
  }

  putStart([x, v]) {
    this.q = [clamp(x, -this.side, this.side), clamp(v, ...REACH)];
    this.update();
  }

  putPush(p) {
    this.p = p.map((each) => clamp(each, -HARDEST, HARDEST));
    this.update();
  }

  kick() {
    this.putPush([this.pushes.normal(), this.pushes.normal()]);
  }

  sample() {
    if (this.remaining) this.remaining = 0;
    else if (this.still.matches) this.advance(this.batch);
    else this.remaining = this.many;
    this.update(this.remaining === 0); // what is said can wait for the last draw
  }

  advance(count) {
    const { chain, target } = this;
    chain.q ??= this.q;
    for (let k = 0; k < count; k++) {
      const draw = nuts(target, chain.q, this.step, chain.random);
      chain.q = draw.q;
      chain.draws.push(draw.q);
      chain.low += draw.q[1] < Math.log(this.neck);
      chain.gradients += draw.gradients;
      chain.trail = draw.path;
      if (draw.lostAt) chain.bad.push(draw.lostAt);
    }
  }

  press(event) {
    if (event.button) return;
    const [x, y] = this.place(event);
    const near = ([cx, cy]) => Math.hypot(x - cx, y - cy);
    const { tip, here } = this;
    const pushed = near(tip) <= near(here);
    if (near(pushed ? tip : here) > 2.2 * HANDLE) return;
    const { across, up } = this;
    const from = pushed ? tip : here;
    const [dx, dy] = [from[0] - x, from[1] - y];
    const handle = pushed ? this.pushHandle : this.startHandle;
    handle.focus({ preventScroll: true });
    this.follow(event, (toX, toY) => {
      const [ax, ay] = [toX + dx, toY + dy];
      if (pushed) {
        this.putPush([(ax - this.here[0]) / PUSH, (this.here[1] - ay) / PUSH]);
      } else this.putStart([across.inverse(ax), up.inverse(ay)]);
    }, { holding: true });
  }

  draw(width) {
    if (this.remaining) {
      // Slowly at first, to be followed; then faster.
      const count = Math.min(this.remaining, 1 + Math.floor((this.many - this.remaining) / 40));
      this.advance(count);
      this.remaining -= count;
      this.update(this.remaining === 0);
    }
    this.now = follow(this.target, this.q, this.p, this.step, this.steps);
    this.rolled = roll(this.target, this.q, this.p, Math.min(WHILE, this.step * this.steps));
    this.layOut(width);
    const g = svg("g");
    this.drawPlane(g);
    this.drawMarginal(g);
    this.drawErrors(g);
    this.drawLegend(g);
    renew(this.back, g);
    this.drawContours();
    this.drawDraws();
    this.drawPaths();
    this.showHandles();
    this.showControls();
    this.fillTable();
  }

  layOut(width) {
    const narrow = width < 520;
    this.width = width;
    this.top = 26;
    this.bottom = narrow ? 340 : 400;
    this.left = 46;
    this.right = Math.round(width * (narrow ? 0.68 : 0.66));
    this.first = this.right + 10;
    this.ceiling = this.bottom + 76;
    this.floor = this.ceiling + 110;
    this.across = linear([-this.side, this.side], [this.left, this.right]);
    this.up = linear(REACH, [this.bottom, this.top]);
    this.here = [this.across(this.q[0]), this.up(this.q[1])];
    const reach = [this.p[0] * PUSH, -this.p[1] * PUSH];
    this.tip = [
      clamp(this.here[0] + reach[0], 8, this.width - 8),
      clamp(this.here[1] + reach[1], 8, this.floor),
    ];
    const box = {
      x: this.left, y: this.top, width: this.right - this.left,
      height: this.bottom - this.top,
    };
    set(this.frameOfPlane, box);
    set(this.drawing, { viewBox: `0 0 ${width} ${this.floor + 36}` });
  }

  drawPlane(g) {
    const { across, up, left, right, top, bottom } = this;
    g.append(indexed(0, 14, "title", "log ", "σ", "b"));
    for (let v = Math.ceil(REACH[0]); v <= REACH[1]; v++) {
      g.append(level(left, this.width, up(v), "grid"));
      g.append(text(left - 5, up(v) + 4, number(v, 0), "tick", "end"));
    }
    for (const x of ticks(-this.side, this.side, 7)) {
      g.append(text(across(x), bottom + 17, number(x, 0), "tick", "middle"));
    }
    const middle = (left + right) / 2;
    g.append(this.form
      ? text(middle, bottom + 34, "z of one county", "tick", "middle")
      : indexed(middle, bottom + 34, "tick", "slope of one county \u2212 ", "μ", "b",
        "middle"));
    g.append(level(left, right, bottom, "axis"));
    const neck = up(Math.log(this.neck));
    g.append(level(left, this.width, neck, "neck"));
    g.append(text(this.width, neck - 5, `sd ${this.neck}`, "tick", "end"));
    const wall = Math.log(this.step / 2);
    if (!this.form && wall > REACH[0] && wall < REACH[1]) {
      g.append(level(left, right, up(wall), "wall"));
      g.append(text(left + 4, up(wall) - 5, "step / 2", "tick"));
    }
  }

  /** Contours at given distances below the maximum of the log density. */
  drawContours() {
    const key = `${this.form} ${this.width}`;
    if (key === this.contoured) return;
    this.contoured = key;
    const n = 400;
    const heights = Array.from({ length: n + 1 }, (_, k) =>
      REACH[0] + ((REACH[1] - REACH[0]) * k) / n);
    const ridge = heights.map((v) => this.target.log([0, v]));
    const highest = Math.max(...ridge);
    renew(this.contours, ...CONTOURS.map((fall) => {
      const half = heights.flatMap((v, k) => {
        const above = ridge[k] - highest + fall;
        return above < 0 ? [] : [[this.target.spread(v) * Math.sqrt(2 * above), v]];
      });
      const edge = (side) => half.map(([x, v]) => this.onPlane([side * x, v]));
      const d = path([...edge(1), ...edge(-1).reverse()]) + "Z";
      return svg("path", { d, class: "contour" });
    }));
  }

  drawMarginal(g) {
    const { up, first, width, top, bottom, chain } = this;
    g.append(text(width, 14, "draws and exact", "title", "end"));
    const long = linear([0, 0.7], [first, width]);
    const [low, high] = REACH;
    const counts = new Map();
    for (const [, v] of chain.draws) {
      const k = Math.floor(v / BIN);
      counts.set(k, (counts.get(k) ?? 0) + 1);
    }
    for (const [k, count] of counts) {
      const [from, to] = [k * BIN, (k + 1) * BIN].map((v) => up(clamp(v, low, high)));
      if (from === to) continue;
      const end = Math.min(width, long(count / chain.draws.length / BIN));
      g.append(svg("rect", {
        x: first, y: to, width: end - first, height: Math.max(0, from - to - 1),
        class: "bar",
      }));
    }
    const curve = Array.from({ length: 91 }, (_, k) => {
      const v = low + ((high - low) * k) / 90;
      return [long(densityLog(v, this.scale)), up(v)];
    });
    g.append(svg("path", {
      d: path([[first, bottom], ...curve, [first, top]]) + "Z", class: "mass",
    }));
    g.append(svg("path", { d: path(curve), class: "density" }));
    g.append(upright(first, top, bottom, "axis"));
  }

  drawErrors(g) {
    const { left, right, ceiling, floor, now } = this;
    const along = linear([0, this.steps], [left, right]);
    const logs = (e) => clamp(Math.log10(Math.abs(e)) || 0, Math.log10(SMALL),
      Math.log10(LARGE));
    const up = linear([Math.log10(SMALL), Math.log10(LARGE)], [floor, ceiling]);
    const high = (e) => up(Number.isFinite(e) ? logs(e || SMALL) : Math.log10(LARGE));
    g.append(text(0, ceiling - 14, "error in energy", "title"));
    for (const [power, words] of [[-3, "0.001"], [0, "1"], [3, "1000"]]) {
      g.append(level(left, right, up(power), power === 3 ? "limit" : "grid"));
      g.append(text(left - 2, up(power) + 4, words, "tick", "end"));
    }
    g.append(text(right, up(3) - 4, "divergence", "tick", "end"));
    const points = now.error.map((e, k) => [along(k), high(e)]);
    g.append(svg("path", { d: path(points.slice(1).length ? points.slice(1) : points),
      class: "step-line" }));
    g.append(this.dots(points.slice(1), "step-dots"));
    if (now.diverged) g.append(cross(...points[points.length - 1], 5));
    g.append(level(left, right, floor, "axis"));
    for (const k of ticks(0, this.steps, 5)) {
      if (!Number.isInteger(k)) continue;
      g.append(text(along(k), floor + 16, number(k, 0), "tick", "middle"));
    }
    g.append(text((left + right) / 2, floor + 32, "leapfrog step", "tick", "middle"));
  }

  drawLegend(g) {
    const x = this.first + 6;
    const dot = (kind) => this.dots([[x, -4]], kind);
    const line = (kind) => level(x - 7, x + 7, -4, kind);
    const narrow = this.width < 520;
    const rows = [
      [line("roll"), narrow ? "exact path" : "exact path"],
      [svg("g", {}, line("step-line"), dot("step-dots")),
        narrow ? "leapfrog" : "leapfrog steps"],
      [cross(x, -4, 5), "divergence"],
      [dot("drawn"), narrow ? "draws" : "draws of NUTS"],
      [line("density"), "exact"],
    ];
    rows.forEach(([mark, words], k) => {
      const y = this.ceiling + 6 + 22 * k;
      g.append(svg("g", { transform: `translate(0,${y})` }, mark, text(x + 12, 0, words)));
    });
  }

  /** Many dots at once: lines of no length with round ends. */
  dots(points, kind) {
    const d = points.map(([x, y]) => `M${x.toFixed(1)},${y.toFixed(1)}h0`).join("");
    return svg("path", { d, class: kind });
  }

  /** A place of the drawing; far outside it for values that are not finite. */
  onPlane([x, v]) {
    const near = (value) => (Number.isNaN(value) ? 50 : clamp(value, -50, 50));
    return [this.across(near(x)), this.up(near(v))];
  }

  /** The nearest place that is at least a given distance from the plane's edges. */
  within([x, y], margin) {
    return [
      clamp(x, this.left + margin, this.right - margin),
      clamp(y, this.top + margin, this.bottom - margin),
    ];
  }

  drawDraws() {
    const { chain } = this;
    // Thousands of dots: not again while only the path changes.
    const key = `${this.form} ${this.step} ${chain.draws.length} ${this.width}`;
    if (key === this.pile) return;
    this.pile = key;
    const bad = chain.bad.map((q) => cross(...this.within(this.onPlane(q), 5), 3.5));
    renew(
      this.piled,
      this.dots(chain.draws.map((q) => this.onPlane(q)), "drawn"), ...bad,
    );
  }

  drawPaths() {
    const { now, chain } = this;
    const g = svg("g");
    if (this.remaining) {
      const trail = chain.trail.map((q) => this.onPlane(q));
      g.append(svg("path", { d: path(trail), class: "trail" }), this.dots(trail, "trail-dots"));
    } else {
      const rolled = this.rolled.map((q) => this.onPlane(q));
      const stepped = now.path.map((q) => this.onPlane(q));
      g.append(svg("path", { d: path(rolled), class: "roll" }));
      g.append(svg("path", { d: path(stepped), class: "step-line" }));
      g.append(this.dots(stepped, "step-dots"));
    }
    renew(this.paths, g);
    renew(this.over);
    if (now.diverged && !this.remaining) {
      const at = this.within(this.onPlane(now.path[now.path.length - 1]), 8);
      const aside = at[0] > (this.left + this.right) / 2;
      this.over.append(cross(...at, 7),
        text(at[0] + (aside ? -12 : 12), at[1] + 4, "diverged", "told",
          aside ? "end" : "start"));
    }
  }

  showHandles() {
    const { here, tip, q, p } = this;
    set(this.startHandle.firstChild, { r: HANDLE - 2 });
    set(this.startHandle, {
      transform: `translate(${here})`,
      "aria-valuenow": number(q[1], 2).replace("\u2212", "-"),
      "aria-valuetext": `${this.form ? "z" : "slope"} ${number(q[0], 2)}, ` +
        `sd ${number(Math.exp(q[1]), 2)}`,
    });
    const angle = Math.atan2(tip[1] - here[1], tip[0] - here[0]);
    const turn = (angle * 180) / Math.PI;
    set(this.arrow, { d: path([here, tip]) });
    set(this.pushHandle.firstChild, { d: "M9,0L-7,-7L-7,7Z" });
    set(this.pushHandle, {
      transform: `translate(${tip}) rotate(${turn.toFixed(1)})`,
      "aria-valuenow": number(p[1]).replace("\u2212", "-"),
      "aria-valuetext": `${number(p[0])} sideways, ${number(p[1])} up`,
    });
    for (const part of [this.startHandle, this.pushHandle, this.arrow]) {
      part.classList.toggle("away", this.remaining > 0);
    }
  }

  showControls() {
    this.formChoice.input.value = this.form;
    this.stepSlider.show(this.step, number(this.step, 2));
    this.stepsSlider.show(this.steps, number(this.steps, 0));
    const count = this.still.matches ? this.batch : this.many;
    const words = this.remaining ? "Stop" : `Sample ${count} draws`;
    if (this.sampleButton.textContent !== words) this.sampleButton.textContent = words;
  }

  percent(share) {
    return `${number(100 * share)}%`;
  }

  fillTable() {
    const rows = NAMES.map((name, k) => {
      const { draws, bad, low, gradients } = this.chains[k];
      const n = draws.length;
      return [name, n, n ? bad.length : "–", n ? this.percent(low / n) : "–",
        n ? number(gradients / n) : "–"];
    });
    rows.push(["exact", "", "", this.percent(this.share), ""]);
    const heads = ["form", "draws", "diverged", `sd below ${this.neck}`, "gradients per draw"];
    renew(
      this.table,
      html("thead", {}, html("tr", {}, ...heads.map((h) => html("th", { scope: "col" }, h)))),
      html("tbody", {}, ...rows.map(([name, ...cells], k) => {
        const mark = k === this.form ? { class: "chosen" } : {};
        return html("tr", {}, html("th", { scope: "row", ...mark }, name),
          ...cells.map((c) => html("td", mark, String(c))));
      })),
    );
  }

  /** A sentence: how far down the path goes, its error in energy, and the draws. */
  sentence() {
    const { now, chain } = this;
    const lowest = (points) => Math.exp(Math.min(...points.map((q) => q[1])));
    const depth = lowest(this.rolled);
    const reached = lowest(now.path.slice(0, now.diverged ? -1 : undefined));
    const worst = Math.max(...now.error.map(Math.abs));
    const said = [`${this.form ? "Non-centered" : "Centered"}, step ` +
      `${number(this.step, 2)}. The exact path goes down to an sd of ${number(depth, 3)}.`];
    const missed = reached > 1.4 * depth;
    if (now.diverged) {
      said.push(`The path diverges at step ${now.path.length - 1}: its energy is ` +
        `wrong by more than ${LOST}. Before that it went down to ${number(reached, 3)}.`);
    } else {
      said.push(`The leapfrog path goes down to ${number(reached, 3)}` +
        (missed ? ": it misses the neck, and does not diverge." : ".") +
        ` The largest error in its energy is ${worst < 0.01 ? "below 0.01"
          : number(worst, worst < 10 ? 2 : 0)}.`);
    }
    const n = chain.draws.length;
    if (n) {
      said.push(`${n} draws, ${plural(chain.bad.length, "divergence")}: ` +
        `${this.percent(chain.low / n)} lie below an sd of ${this.neck}, ` +
        `where ${this.percent(this.share)} should.`);
    }
    return said.join(" ");
  }
}

customElements.define("leapfrog-funnel", LeapfrogFunnel);
