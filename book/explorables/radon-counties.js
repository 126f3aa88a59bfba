// Radon: what partial pooling makes of a county as houses are added or removed.

import {
  button, choice, clamp, diamond, Explorable, html, level, linear, number, path,
  renew, set, slider, svg, text, ticks, upright,
} from "./parts.js";
import {
  completePooling, noPooling, partialPooling, summarise, together,
} from "./varying-intercepts.js";

const SHIFT = 0.1; // pCi/L, added before the logarithm is taken
const ACTION = 4; // pCi/L, the level at which radon in a house should be reduced
const NEAR = 8; // px: a pointer this near to a county points at it
const PATIENCE = 3; // ms of a frame that may be spent on the rest of a path
// Numbers of houses at which a path is computed: fewer where it is smooth.
const STOPS = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 28, 34, 40, 48, 58, 70, 84, 100,
  120, 140, 160, 180,
];
const log = (activity) => Math.log(activity + SHIFT);
const activity = (level) => Math.exp(level) - SHIFT;
const houses = (n) => (n === 1 ? "1 house" : `${n} houses`);

class RadonCounties extends Explorable {
  build(data) {
    Object.assign(this, data);
    this.rows = this.counties.map(({ floor, activity }) => ({
      x: [...floor].map(Number), y: activity.map(log),
    }));
    this.observed = this.rows.map(({ x, y }) => summarise(x, y));
    this.before = this.solve(this.observed);
    this.choose(this.counties.findIndex(({ name }) => name === this.start));
    this.countyChoice = choice(
      "County", this.counties.map(({ name }, j) => `${name}, ${houses(this.observed[j].n)}`),
      (j) => this.choose(j),
    );
    this.housesSlider = slider("", { min: 0, max: 1, step: 1 }, (n) => this.measure(n));
    this.readingSlider = slider("Reading of the added houses, pCi/L", this.reading, (v) => {
      this.added = v;
      this.paths = new Map();
      this.update();
    });
    this.formula = html("div", { class: "formula" });
    this.table = html("table", { class: "answers" });
    const reset = button("Reset to the measured houses", () => this.choose(this.chosen));
    this.controls.append(
      this.countyChoice.row, this.housesSlider.row, this.readingSlider.row,
      html("div", { class: "control" }, reset), this.formula,
      html("div", { class: "scrolls", tabindex: 0, role: "region",
        "aria-label": "The estimates as a table" }, this.table),
    );
    this.drawing.addEventListener("pointerdown", (event) => this.press(event));
    this.drawing.addEventListener("pointermove", (event) => this.hover(event));
    this.drawing.addEventListener("pointerleave", () => this.point(-1));
  }

  /** Choose a county as it was measured. Added houses read what its own do on average. */
  choose(j) {
    this.chosen = j;
    this.n = this.observed[j].n;
    this.added = this.before.none[j].mean;
    this.pointed = -1;
    this.paths = new Map();
    this.update();
  }

  measure(n) {
    this.n = clamp(Math.round(n), 0, this.most);
    this.update();
  }

  get most() {
    return this.observed[this.chosen].n + this.mostAdded;
  }

  /** The chosen county with n houses: first its own, then added ones. */
  county(n) {
    const { x, y } = this.rows[this.chosen];
    const extra = n - y.length;
    if (extra <= 0) return summarise(x.slice(0, n), y.slice(0, n));
    const yy = (extra - 1) * this.spread ** 2;
    return together(this.observed[this.chosen],
      { n: extra, x: 0, y: this.added, xx: 0, xy: 0, yy });
  }

  solve(groups) {
    const partial = partialPooling(groups, this.prior);
    return {
      partial: partial.alpha,
      none: noPooling(groups, this.prior).alpha,
      complete: completePooling(groups, this.prior).mu,
      mu: partial.mu, beta: partial.beta, tau: partial.tau, sigma: partial.sigma,
    };
  }

  /** Compute every estimate, given that the chosen county has n houses. */
  all(n) {
    const problem = [this.chosen, n, this.added].join();
    if (problem !== this.solved) {
      this.solved = problem;
      this.now = this.solve(this.observed.with(this.chosen, this.county(n)));
    }
  }

  /** The estimates of the chosen county alone, given that it has n houses. */
  at(n) {
    if (!this.paths.has(n)) {
      const county = this.county(n);
      const groups = this.observed.with(this.chosen, county);
      const alpha = (pooling) => pooling(groups, this.prior, [county]).alpha[0];
      this.paths.set(n, { partial: alpha(partialPooling), none: alpha(noPooling) });
    }
    return this.paths.get(n);
  }

  /** The stops that are computed by now; more are computed in the next frames. */
  known(stops) {
    const until = performance.now() + PATIENCE;
    // Begin with stops far apart, so that the path reaches from end to end at once.
    for (const apart of [8, 4, 2, 1]) {
      for (let k = 0; k < stops.length; k += apart) {
        if (this.paths.has(stops[k])) continue;
        if (performance.now() > until) {
          this.update(false);
          return stops.filter((n) => this.paths.has(n));
        }
        this.at(stops[k]);
      }
    }
    return stops;
  }

  press(event) {
    if (event.button) return;
    const [x0, y0] = this.place(event);
    let moved = false;
    const go = (x) => this.measure(Math.expm1(this.across.inverse(x)));
    this.follow(event, (x, y) => {
      moved ||= Math.hypot(x - x0, y - y0) > 4;
      if (moved) go(x);
    }, {
      onEnd: () => {
        if (moved) return;
        const j = this.nearest(x0, y0);
        if (j < 0) go(x0);
        else this.choose(j);
      },
    });
  }

  hover(event) {
    if (event.pointerType === "mouse") this.point(this.nearest(...this.place(event)));
  }

  point(j) {
    if (j === this.pointed) return;
    this.pointed = j;
    this.update(false);
  }

  /** The county whose estimate is near a place of the drawing, or -1. */
  nearest(x, y) {
    const far = (j) => Math.hypot(
      x - this.right(this.observed[j].n), y - this.up(this.now.partial[j].mean));
    const others = this.counties.map((_, j) => j).filter((j) => j !== this.chosen);
    const found = others.reduce((a, b) => (far(a) <= far(b) ? a : b));
    return far(found) < NEAR ? found : -1;
  }

  draw(width) {
    this.all(this.n);
    this.layOut(width);
    const g = svg("g", { "aria-hidden": "true" });
    this.drawAxes(g);
    this.drawOthers(g);
    this.drawPath(g);
    this.drawChosen(g);
    this.drawLegend(g);
    renew(this.drawing, g);
    this.showControls();
    this.writeFormula();
    this.fillTable();
  }

  layOut(width) {
    this.width = width;
    this.top = 26;
    this.bottom = width < 520 ? 320 : 370;
    const levels = this.before.none.map(({ mean }) => mean);
    const low = Math.min(this.reading.min, ...levels) - 0.1;
    const high = Math.max(this.reading.max, ...levels) + 0.1;
    this.span = [low, high];
    this.up = linear(this.span, [this.bottom, this.top]);
    const largest = Math.max(...this.observed.map(({ n }) => n)) + this.mostAdded;
    this.across = linear([0, Math.log1p(largest)], [38, width - 38]);
    this.right = (n) => this.across(Math.log1p(n));
    set(this.drawing, { viewBox: `0 0 ${width} ${this.bottom + 98}` });
  }

  drawAxes(g) {
    const { width, top, bottom, up, right } = this;
    const [left, end] = [right(0) - 12, width - 30];
    for (const t of ticks(...this.span, 6)) {
      g.append(level(left, end, up(t), "grid"));
      g.append(text(left - 5, up(t) + 4, number(t, 0), "tick", "end"));
    }
    for (const a of [1, 2, ACTION, 8, 16, 32]) {
      g.append(text(width, up(log(a)) + 4, number(a, 0), "tick", "end"));
    }
    g.append(level(left, end, up(log(ACTION)), "axis"));
    g.append(level(left, end, bottom, "axis"));
    for (const n of [0, 1, 2, 5, 10, 20, 50, 100]) {
      g.append(upright(right(n), bottom, bottom + 4, "axis"));
      g.append(text(right(n), bottom + 20, number(n, 0), "tick", "middle"));
    }
    g.append(text(0, 12, "basement level, log radon", "title"));
    g.append(text(width, 12, "pCi/L", "title", "end"));
    g.append(text(end, bottom + 38, "houses in the county", "", "end"));
    g.append(level(left, end, up(this.now.complete.mean), "complete"));
    g.append(level(left, end, up(this.now.mu.mean), "middle"));
    g.append(upright(right(this.n), top, bottom, "now"));
    g.append(svg("circle", { cx: right(this.n), cy: bottom, r: 7, class: "knob" }));
  }

  drawOthers(g) {
    let [own, shrunk] = ["", ""];
    this.observed.forEach(({ n }, j) => {
      if (j === this.chosen) return;
      const x = this.right(n);
      own += dot(x, this.up(this.now.none[j].mean), 2.5);
      shrunk += diamond(x, this.up(this.now.partial[j].mean), 3.5, "").getAttribute("d");
    });
    g.append(svg("path", { d: own, class: "others own" }));
    g.append(svg("path", { d: shrunk, class: "others given" }));
    if (this.pointed >= 0) {
      const j = this.pointed;
      this.name(g, j, this.observed[j].n, this.now.partial[j].mean);
    }
  }

  /** The path of the estimates, from the measured number of houses to the present. */
  drawPath(g) {
    const { n: first } = this.observed[this.chosen];
    const [low, high] = [Math.min(first, this.n), Math.max(first, this.n)];
    const inside = STOPS.filter((n) => low < n && n < high);
    const stops = this.known([...new Set([low, ...inside, high])]);
    const walk = (kind, sds = 0) => stops.filter((n) => n || kind === "partial").map((n) => {
      const { mean, sd } = this.at(n)[kind];
      return [this.right(n), this.up(this.shown(mean + sds * sd))];
    });
    const band = [...walk("partial", 1), ...walk("partial", -1).reverse()];
    g.append(svg("path", { d: path(band) + "Z", class: "band" }));
    for (const [kind, name] of [["none", "curve alone"], ["partial", "curve chosen"]]) {
      const points = walk(kind);
      if (points.length) g.append(svg("path", { d: path(points), class: name }));
    }
    const start = this.before.partial[this.chosen].mean;
    if (this.n !== first) g.append(diamond(this.right(first), this.up(start), 6, "ghost"));
  }

  drawChosen(g) {
    const x = this.right(this.n);
    const bar = ({ mean, sd }, by, kind) => g.append(upright(
      x + by, this.up(this.shown(mean - sd)), this.up(this.shown(mean + sd)), kind));
    const partial = this.now.partial[this.chosen];
    const none = this.now.none[this.chosen];
    bar(partial, 3, "sd");
    g.append(diamond(x + 3, this.up(partial.mean), 7, "given"));
    if (this.n) {
      bar(none, -3, "se chosen");
      g.append(svg("circle", { cx: x - 3, cy: this.up(none.mean), r: 5, class: "own" }));
    }
    this.name(g, this.chosen, this.n, partial.mean);
  }

  /** A county's name beside its estimate, outlined in the background's colour. */
  name(g, j, n, at) {
    const x = this.right(n);
    const [by, anchor] = x < 0.6 * this.width ? [14, "start"] : [-14, "end"];
    g.append(text(x + by, this.up(at) + 4, this.counties[j].name, "name", anchor));
  }

  shown(value) {
    return clamp(value, ...this.span);
  }

  drawLegend(g) {
    const marks = [
      [svg("circle", { cx: 8, cy: -4, r: 5, class: "own" }), "no pooling"],
      [diamond(8, -4, 6, "given"), "partial pooling"],
      [level(0, 16, -4, "complete"), "complete pooling"],
      [level(0, 16, -4, "middle"), "mean of the counties"],
    ];
    marks.forEach(([mark, words], k) => {
      const across = k % 2 ? this.width / 2 - 10 : this.right(0) - 12;
      const down = this.bottom + 64 + 22 * Math.floor(k / 2);
      g.append(svg("g", { transform: `translate(${across},${down})` }, mark,
        text(24, 0, words)));
    });
  }

  showControls() {
    const { name } = this.counties[this.chosen];
    this.countyChoice.input.value = this.chosen;
    this.housesSlider.name.textContent = `Houses in ${name}`;
    set(this.housesSlider.input, { max: this.most });
    this.housesSlider.show(this.n, String(this.n), houses(this.n));
    const reads = number(activity(this.added));
    this.readingSlider.show(this.added, reads, `${reads} pCi/L`);
  }

  /** The formulas of weight and estimate, with posterior means for the parameters. */
  writeFormula() {
    const { sigma, tau, mu, beta } = this.now;
    const { x, y } = this.county(this.n);
    const worth = sigma.mean ** 2 / tau.mean ** 2;
    const weight = this.n / (this.n + worth);
    const own = y - x * beta.mean;
    const estimate = weight * (this.n ? own : 0) + (1 - weight) * mu.mean;
    const n = String(this.n);
    const square = (v) => `<msup>${v}<mn>2</mn></msup>`;
    const [s, t] = [sigma, tau].map(({ mean }) => square(mn(mean)));
    const part = (ratio, k) => fraction(k, `${k}<mo>+</mo>${ratio}`);
    const [sign, times] = ["<mo>=</mo>", "<mo>×</mo>"];
    const math = (words) => `<math displaystyle="true">${words}</math> `;
    // In parts, between which a line may break on a narrow screen.
    const share = [
      `<mn>1</mn><mo>−</mo><mi>B</mi>${sign}` +
        part(`${square("<mi>σ</mi>")}<mo>/</mo>${square("<mi>τ</mi>")}`, "<mi>n</mi>"),
      sign + part(`${s}<mo>/</mo>${t}`, `<mn>${n}</mn>`),
      sign + part(mn(worth, 1), `<mn>${n}</mn>`) + sign + mn(weight),
    ];
    const sum = (this.n ? `${mn(weight)}${times}${mn(own)}<mo>+</mo>` : "") +
      mn(1 - weight) + times + mn(mu.mean) + sign + mn(estimate);
    const exact = this.now.partial[this.chosen].mean;
    const written = html("template");
    written.innerHTML =
      `<p><span>The weight of its own houses:</span> ${share.map(math).join("")}</p>` +
      `<p><span>Its estimate:</span> ${math(sum).trim()}; averaged over the posterior, ` +
      `${number(exact, 2)}.</p>`;
    renew(this.formula, ...written.content.childNodes);
  }

  fillTable() {
    const c = this.chosen;
    const rows = [
      ["no pooling", this.n ? this.now.none[c] : null, this.before.none[c]],
      ["partial pooling", this.now.partial[c], this.before.partial[c]],
      ["complete pooling", this.now.complete, this.before.complete],
    ];
    const heads = ["", "estimate", "sd", "measured sd", "pCi/L"];
    renew(
      this.table,
      html("thead", {}, html("tr", {}, ...heads.map((head) => head
        ? html("th", { scope: "col" }, head) : html("td")))),
      html("tbody", {}, ...rows.map(([head, now, before]) => {
        const cells = [now?.mean, now?.sd, before.sd];
        const shown = cells.map((v) => (v === undefined ? "–" : number(v, 2)));
        shown.push(now ? number(activity(now.mean)) : "–");
        const mark = head === "partial pooling" ? { class: "chosen" } : {};
        return html("tr", {}, html("th", { scope: "row" }, head),
          ...shown.map((cell) => html("td", mark, cell)));
      })),
    );
  }

  /** A sentence: the number of houses, each estimate, and the weight of the mean. */
  sentence() {
    const c = this.chosen;
    const { name } = this.counties[c];
    const { n } = this.observed[c];
    const now = this.now.partial[c];
    const none = this.now.none[c];
    const before = this.before.partial[c];
    const extra = this.n - n;
    const said = [`${name} with ${houses(this.n)}` + (
      extra > 0 ? `, ${extra} added that read ${number(activity(this.added))} pCi/L.`
        : extra < 0 ? `, ${-extra} taken away.` : ", as measured.")];
    said.push(`Partial pooling: ${number(now.mean, 2)}, sd ${number(now.sd, 2)}` +
      (extra ? `, ${number(now.sd / before.sd, 2)} times the sd as measured.` : "."));
    said.push(this.n
      ? `No pooling: ${number(none.mean, 2)}, sd ${number(none.sd, 2)}.`
      : "No pooling gives no estimate.");
    said.push(`Complete pooling: ${number(this.now.complete.mean, 2)}. ` +
      `The mean of the counties has ${number(100 * now.B, 0)}% of the weight; it counts as ` +
      `${number(this.now.sigma.mean ** 2 / this.now.tau.mean ** 2)} houses.`);
    return said.join(" ");
  }
}

function dot(x, y, r) {
  return `M${(x - r).toFixed(2)},${y.toFixed(2)}a${r},${r} 0 1 0 ${2 * r},0` +
    `a${r},${r} 0 1 0 ${-2 * r},0`;
}

const mn = (value, digits = 2) => `<mn>${number(value, digits)}</mn>`;
const fraction = (above, below) =>
  `<mfrac><mrow>${above}</mrow><mrow>${below}</mrow></mfrac>`;

customElements.define("radon-counties", RadonCounties);
