// The influence curve: how one school's datum changes its own posterior mean, and
// another school's, under fixed priors and in a hierarchy.

import { alone, scales } from "./alone.js";
import { posterior, PRIORS } from "./exact.js";
import {
  button, change, choice, clamp, Explorable, html, level, linear, number, path,
  renew, set, slider, svg, text, ticks, upright,
} from "./parts.js";

const HANDLE = 10; // px: the radius of the handle
const POINTS = 101; // of a curve
const APART = 15; // px between the labels at the curves' ends
const KEYS = {
  ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10,
};
// The colours that these priors have in the chapter's figures.
const LOOKS = { flat: "none", normal: "muted dashed", t: "ink", hierarchy: "partial" };

/** Where a curve, given on an even grid, is highest; null at an end. */
function turn(x, values) {
  const k = values.indexOf(Math.max(...values));
  if (k === 0 || k === values.length - 1) return null;
  const [a, b, c] = values.slice(k - 1, k + 2);
  // The top of the parabola through three points; none where all is level.
  return a === b && b === c ? null : x[k] + (0.5 * (a - c) * (x[1] - x[0])) / (a - 2 * b + c);
}

function subscript(n) {
  return [...String(n)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]).join("");
}

class InfluenceCurve extends Explorable {
  build(data) {
    Object.assign(this, data);
    const { datum, width, nu } = this.ranges;
    this.found = new Map();
    this.restore();
    this.schoolChoice = choice("School to change", this.schools, (j) => this.choose(j));
    this.otherChoice = choice("School to watch", this.schools, (j) => {
      this.other = j;
      this.update();
    });
    this.datumSlider = slider("", datum, (v) => this.move(v));
    this.widthSlider = slider("Scale s of the fixed priors", width, (v) => {
      this.width = v;
      this.update();
    });
    this.nuSlider = slider("Degrees of freedom ν of the t", nu, (v) => {
      this.nu = v;
      this.update();
    });
    this.table = html("table", { class: "answers" });
    const reset = button("Reset to the observed data", () => {
      this.restore();
      this.update();
    });
    this.controls.append(
      this.schoolChoice.row, this.datumSlider.row, this.otherChoice.row,
      this.widthSlider.row, this.nuSlider.row,
      html("div", { class: "control" }, reset),
      html("div", { class: "scrolls", tabindex: 0, role: "region",
        "aria-label": "The estimates as a table" }, this.table),
    );
    this.back = svg("g", { "aria-hidden": "true" });
    this.letter = text(0, 4, "", "", "middle");
    this.handle = svg("g", {
      role: "slider", tabindex: 0, class: "handle chosen sideways",
      "aria-orientation": "horizontal",
      "aria-valuemin": datum.min, "aria-valuemax": datum.max,
    }, svg("circle", { r: HANDLE }), this.letter);
    this.handle.addEventListener("keydown", (event) => this.key(event));
    this.drawing.append(this.back, this.handle);
    this.drawing.addEventListener("pointerdown", (event) => this.press(event));
  }

  restore() {
    const { school, other, width, nu } = this.start;
    Object.assign(this, { school, other, width, nu, y: this.observed[school] });
  }

  choose(j) {
    if (j === this.other) this.other = this.school;
    this.school = j;
    this.y = this.observed[j];
    this.update();
  }

  move(value) {
    const { min, max } = this.ranges.datum;
    this.y = clamp(Math.round(value), min, max);
    this.update();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { min, max } = this.ranges.datum;
    const step = KEYS[event.key];
    if (step) this.move(this.y + (event.shiftKey ? 10 : 1) * step);
    else if (event.key === "Home") this.move(min);
    else if (event.key === "End") this.move(max);
    else if (event.key === "Escape") this.move(this.observed[this.school]);
    else return;
    event.preventDefault();
  }

  press(event) {
    if (event.button) return;
    const [x] = this.place(event);
    const held = Math.abs(x - this.along(this.y)) < 2 * HANDLE;
    const shift = held ? this.y - this.along.inverse(x) : 0;
    if (held) this.handle.focus({ preventScroll: true });
    else this.move(this.along.inverse(x));
    this.follow(event, (to) => this.move(this.along.inverse(to) + shift), {
      holding: held,
    });
  }

  /** The four priors, each with its posterior mean for a datum of school j. */
  get fixed() {
    return {
      flat: { nu: Infinity, s: Infinity },
      normal: { nu: Infinity, s: this.width },
      t: { nu: this.nu, s: this.width },
    };
  }

  alone(prior, y, j) {
    return alone(y, this.standardErrors[j], 0, scales(prior, Math.abs(y))).mean;
  }

  /** Every school's posterior mean in the hierarchy when school j's datum is y. */
  together(y, j) {
    const data = this.observed.map((v, k) => (k === j ? y : v));
    const { nu, scale, muSd } = this.hierarchy;
    const tau = PRIORS["inv-chi2"](scale, nu);
    return posterior(data, this.standardErrors, tau, { mean: 0, sd: muSd }).mean;
  }

  /** Computed once, since it takes long. */
  once(key, find) {
    if (!this.found.has(key)) this.found.set(key, find());
    return this.found.get(key);
  }

  /** For every prior: the chosen school's posterior means along the grid. */
  curves() {
    const { min, max } = this.ranges.datum;
    const grid = Array.from({ length: POINTS }, (_, k) =>
      min + ((max - min) * k) / (POINTS - 1));
    const j = this.school;
    this.grid = grid;
    const joint = this.once(`all ${j}`, () => grid.map((y) => this.together(y, j)));
    const answers = {};
    for (const [name, prior] of Object.entries(this.fixed)) {
      answers[name] = grid.map((y) => this.alone(prior, y, j));
    }
    answers.hierarchy = joint.map((all) => all[j]);
    this.watched = joint.map((all) => all[this.other]);
    this.pulls = {};
    this.turns = {};
    for (const [name, values] of Object.entries(answers)) {
      const pull = values.map((v, k) => v - grid[k]);
      this.pulls[name] = pull;
      this.turns[name] = [turn(grid, pull), turn(grid, pull.map((v) => -v))];
    }
  }

  /** The posterior means for the present datum, and for the observed one. */
  answers() {
    const [j, k] = [this.school, this.other];
    const now = this.together(this.y, j);
    const asObserved = this.once("observed", () =>
      this.together(this.observed[0], 0));
    this.now = {};
    for (const [name, prior] of Object.entries(this.fixed)) {
      const watched = this.alone(prior, this.observed[k], k);
      this.now[name] = {
        own: this.alone(prior, this.y, j),
        before: this.alone(prior, this.observed[j], j),
        other: watched, otherBefore: watched,
      };
    }
    this.now.hierarchy = {
      own: now[j], before: asObserved[j], other: now[k], otherBefore: asObserved[k],
    };
  }

  draw(width) {
    this.curves();
    this.answers();
    this.layOut(width);
    const parts = svg("g");
    this.drawPulls(parts);
    this.drawOther(parts);
    renew(this.back, parts);
    const name = this.schools[this.school];
    this.letter.textContent = name;
    set(this.handle, {
      transform: `translate(${this.along(this.y)},${this.pullUp(0)})`,
      "aria-label": `School ${name}: estimate`,
      "aria-valuenow": this.y,
      "aria-valuetext": `${number(this.y, 0)} points; ` +
        `under the t ${number(this.now.t.own)}, ` +
        `in the hierarchy ${number(this.now.hierarchy.own)}`,
    });
    this.showControls();
    this.fillTable();
  }

  layOut(width) {
    const { min, max } = this.ranges.datum;
    this.right = width - 76;
    this.end = width;
    this.along = linear([min, max], [36, this.right]);
    this.top = 24;
    this.middle = 264;
    this.upper = 324;
    this.bottom = 464;
    const { t, hierarchy } = this.pulls;
    const reach = 1.15 * Math.max(20, ...[...t, ...hierarchy].map(Math.abs));
    this.reach = reach;
    this.pullUp = linear([-reach, reach], [this.middle, this.top]);
    const levels = [...this.watched, ...Object.values(this.now).map((a) => a.other)];
    const [low, high] = [Math.min(...levels), Math.max(...levels)];
    const room = Math.max(1, 0.1 * (high - low));
    this.span = [low - room, high + room];
    this.otherUp = linear(this.span, [this.bottom, this.upper]);
    set(this.drawing, { viewBox: `0 0 ${width} ${this.bottom + 40}` });
  }

  /** Names at the curves' ends, moved apart where they would touch. */
  name(g, ends, low, high) {
    const placed = Object.entries(ends).sort((a, b) => a[1] - b[1]);
    placed.forEach((entry, k) => {
      if (k) entry[1] = Math.max(entry[1], placed[k - 1][1] + APART);
    });
    // What was pushed out at the bottom goes back up, and pushes in its turn.
    let floor = high;
    for (const entry of placed.reverse()) {
      entry[1] = Math.max(low, Math.min(entry[1], floor));
      floor = entry[1] - APART;
    }
    for (const [name, y] of placed) {
      const words = { flat: "flat", normal: "normal", t: `t, ν = ${this.nu}` }[name];
      g.append(text(this.right + 6, y + 4, words ?? name, `in-${LOOKS[name]}`));
    }
  }

  /** A curve, ended where it leaves the panel. */
  curve(g, values, up, [low, high], name) {
    const points = [];
    this.grid.forEach((x, k) => {
      if (values[k] >= low && values[k] <= high) {
        points.push([this.along(x), up(values[k])]);
      }
    });
    g.append(svg("path", { d: path(points), class: `line of-${LOOKS[name]}` }));
    return points[points.length - 1][1];
  }

  drawPulls(g) {
    const { along, pullUp, top, middle, right, reach } = this;
    const name = this.schools[this.school];
    g.append(text(0, 12, `distance of ${name}'s mean from its estimate`, "title"));
    for (const t of ticks(-reach, reach, 5)) {
      g.append(level(36, right, pullUp(t), "grid"));
      g.append(text(31, pullUp(t) + 4, number(t, 0), "tick", "end"));
    }
    g.append(upright(along(this.y), top, this.bottom, "now"));
    const ends = {};
    for (const [prior, pull] of Object.entries(this.pulls)) {
      ends[prior] = this.curve(g, pull, pullUp, [-reach, reach], prior);
      for (const [k, at] of this.turns[prior].entries()) {
        if (at === null) continue;
        const far = pullUp((k ? -1 : 1) * Math.max(...pull.map((v) => (k ? -v : v))));
        g.append(upright(along(at), far - 7, far + 7, `line of-${LOOKS[prior]}`));
      }
    }
    for (const [prior, { own }] of Object.entries(this.now)) {
      if (Math.abs(own - this.y) > reach || prior === "flat") continue;
      g.append(svg("circle", {
        cx: along(this.y), cy: pullUp(own - this.y), r: 4.5, class: `in-${LOOKS[prior]}`,
      }));
    }
    this.name(g, ends, top + 4, middle - 4);
    this.numbers(g, middle);
  }

  drawOther(g) {
    const { along, otherUp, upper, bottom, right, span } = this;
    const other = this.schools[this.other];
    g.append(text(0, upper - 12, `mean of ${other}, whose data do not change`, "title"));
    for (const t of ticks(...span, 4)) {
      g.append(level(36, right, otherUp(t), "grid"));
      g.append(text(31, otherUp(t) + 4, number(t, 0), "tick", "end"));
    }
    const ends = {};
    for (const [prior, answer] of Object.entries(this.now)) {
      const values = prior === "hierarchy" ? this.watched : this.grid.map(() => answer.other);
      ends[prior] = this.curve(g, values, otherUp, span, prior);
      g.append(svg("circle", {
        cx: along(this.y), cy: otherUp(answer.other), r: 4.5, class: `in-${LOOKS[prior]}`,
      }));
    }
    this.name(g, ends, upper + 4, bottom - 4);
    this.numbers(g, bottom);
    g.append(text(right, bottom + 34,
      `${this.schools[this.school]}'s estimate (points)`, "tick", "end"));
  }

  numbers(g, y) {
    const { min, max } = this.ranges.datum;
    g.append(level(36, this.right, y, "axis"));
    for (const t of ticks(min, max, 6)) {
      g.append(text(this.along(t), y + 18, number(t, 0), "tick", "middle"));
    }
  }

  showControls() {
    const name = this.schools[this.school];
    this.schoolChoice.input.value = this.school;
    this.otherChoice.input.value = this.other;
    for (const option of this.otherChoice.input.options) {
      option.disabled = Number(option.value) === this.school;
    }
    this.datumSlider.name.textContent = `${name}'s estimate`;
    this.datumSlider.show(this.y, number(this.y, 0), `${number(this.y, 0)} points`);
    this.widthSlider.show(this.width, number(this.width, 0), `${this.width} points`);
    this.nuSlider.show(this.nu, number(this.nu, 0));
  }

  fillTable() {
    const [name, other] = [this.schools[this.school], this.schools[this.other]];
    const called = {
      flat: "flat", normal: `N(0, ${this.width})`,
      t: `t${subscript(this.nu)}(0, ${this.width})`, hierarchy: "hierarchy",
    };
    const column = (words) => html("th", { scope: "col" }, words);
    const far = { flat: "no pull", normal: "never" };
    const ends = (turns) => turns.some((at) => at !== null)
      ? turns.map((at) => (at === null ? "farther" : number(at, 0))).join(", ")
      : "farther";
    const rows = Object.entries(this.now).map(([prior, a]) => {
      const cells = [
        number(a.own), change(a.own - this.y),
        far[prior] ?? ends(this.turns[prior]),
        number(a.other), change(a.other - a.otherBefore),
      ];
      return html("tr", {}, html("th", { scope: "row" }, called[prior]),
        ...cells.map((cell) => html("td", {}, cell)));
    });
    renew(
      this.table,
      html("thead", {}, html("tr", {}, column("prior"), column(`${name}'s mean`),
        column("pulled by"), column("hardest at"), column(`${other}'s mean`),
        column("changed by"))),
      html("tbody", {}, ...rows),
    );
  }

  /** A sentence: the datum, where each prior pulls hardest, and the other school. */
  sentence() {
    const [name, other] = [this.schools[this.school], this.schools[this.other]];
    const { flat, normal, t, hierarchy } = this.now;
    const place = (prior, words) => {
      const [low, high] = this.turns[prior];
      const at = this.y < this.observed[this.school] ? low : high;
      if (at === null) return `${words} pulls harder all along this scale.`;
      const gone = this.y < this.observed[this.school] ? this.y < at : this.y > at;
      return `${words} pulls hardest at ${number(at, 0)}${gone ? " and less beyond it" : ""}.`;
    };
    const moved = this.y - this.observed[this.school];
    const shift = hierarchy.other - hierarchy.otherBefore;
    return [
      `${name}'s estimate is ${number(this.y, 0)}` +
        (moved ? ` (${change(moved, 0)}).` : ", as observed."),
      `Its posterior mean: flat ${number(flat.own)}, normal ${number(normal.own)}, ` +
        `t ${number(t.own)}, hierarchy ${number(hierarchy.own)}.`,
      place("t", "The t"), place("hierarchy", "The hierarchy"),
      `${other}'s posterior mean in the hierarchy is ${number(hierarchy.other)}` +
        (moved ? ` (${change(shift)});` : ";"),
      `under the t it is ${number(t.other)}, whatever the estimate of ${name}.`,
    ].join(" ");
  }
}

customElements.define("influence-curve", InfluenceCurve);
