// Eighteen players: the reader chooses how much to pool, and only then sees the rest of
// the season, the error of that choice, and what a formula would have chosen.

import {
  button, choice, clamp, diamond, Explorable, html, level, linear, number, path, renew,
  set, slider, svg, text, ticks, triangle, upright,
} from "./parts.js";

const ROW = 20; // px: the height of a player
const SHARE = { min: 0, max: 100, step: 1 };
const [HIDDEN, SHOWN, COMPARED] = [0, 1, 2];
const PRESS = ["Show what happened", "Show the formula's choice", "Start again"];

const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;

class EighteenPlayers extends Explorable {
  build(data) {
    Object.assign(this, data);
    this.share = SHARE.min;
    this.begun(0);
    this.seasonChoice = choice("Season", this.seasons.map(({ title }) => title), (k) => {
      this.begun(k);
      this.update();
    });
    this.shareSlider = slider("Share of the way to the mean", SHARE, (v) => {
      this.share = v;
      this.update();
    });
    this.next = button(PRESS[HIDDEN], () => this.step());
    this.table = html("table", { class: "answers" });
    this.controls.append(
      this.shareSlider.row, this.seasonChoice.row,
      html("div", { class: "control" }, this.next),
      html("div", { class: "scrolls", tabindex: 0, role: "region",
        "aria-label": "The errors as a table" }, this.table),
    );
    this.drawing.addEventListener("pointerdown", (event) => this.press(event));
  }

  /** A season whose rest nobody has seen yet. */
  begun(k) {
    this.season = this.seasons[k];
    this.chosen = k;
    this.stage = HIDDEN;
    this.mean = mean(this.season.start);
  }

  /** Show what happened, then the formula's choice, then begin again. */
  step() {
    if (this.stage === HIDDEN) this.committed = this.share;
    if (this.stage === COMPARED) {
      this.begun(this.chosen);
      this.share = SHARE.min;
    } else this.stage += 1;
    this.update();
  }

  /** The estimates if each average moves this share of the way, from 0 to 1. */
  estimates(share) {
    return this.season.start.map((y) => y + share * (this.mean - y));
  }

  /** Their total squared error. */
  error(share) {
    const { truth } = this.season;
    return this.estimates(share).reduce((sum, e, j) => sum + (e - truth[j]) ** 2, 0);
  }

  /** For how many players they are closer than the player's own average. */
  closer(share) {
    const { start, truth } = this.season;
    return this.estimates(share).filter((e, j) =>
      Math.abs(e - truth[j]) < Math.abs(start[j] - truth[j])).length;
  }

  /** The share with the smallest error, which is a parabola in the share. */
  get best() {
    const { start, truth } = this.season;
    const step = start.map((y) => this.mean - y);
    const gained = step.reduce((sum, d, j) => sum + d * (truth[j] - start[j]), 0);
    return clamp(gained / step.reduce((sum, d) => sum + d * d, 0), 0, 1);
  }

  press(event) {
    if (event.button) return;
    const go = (x) => {
      this.share = clamp(Math.round(this.across.inverse(x)), SHARE.min, SHARE.max);
      this.update();
    };
    go(this.place(event)[0]);
    this.follow(event, go);
  }

  draw(width) {
    const narrow = width < 520;
    this.left = narrow ? 88 : 104;
    this.right = width - 14;
    this.top = narrow ? 66 : 44;
    this.bottom = this.top + ROW * this.season.start.length;
    this.upper = this.bottom + 84;
    this.floor = this.upper + 130;
    const all = this.seasons.flatMap(({ start, truth }) => [...start, ...truth]);
    this.span = [Math.min(...all) - 0.015, Math.max(...all) + 0.015];
    this.along = linear(this.span, [this.left, this.right]);
    this.across = linear([SHARE.min, SHARE.max], [56, this.right]);
    set(this.drawing, { viewBox: `0 0 ${width} ${this.floor + 44}` });
    const g = svg("g", { "aria-hidden": "true" });
    this.drawLegend(g, narrow);
    this.drawPlayers(g);
    this.drawErrors(g);
    renew(this.drawing, g);
    this.showControls();
    this.fillTable();
  }

  drawLegend(g, narrow) {
    g.append(text(0, 12, "batting average", "title"));
    const marks = [
      [svg("circle", { cx: 6, cy: -4, r: 5, class: "own" }), "first 45 at-bats"],
      [diamond(6, -4, 6, "given"), "your estimate"],
    ];
    if (this.stage !== HIDDEN) marks.push([triangle(6, -4, 6, "exact"), this.season.known]);
    const places = narrow ? [[0, 34], [150, 34], [0, 54]] : [[0, 34], [150, 34], [285, 34]];
    marks.forEach(([mark, words], k) => {
      const [x, y] = places[k];
      g.append(svg("g", { transform: `translate(${x},${y})` }, mark, text(17, 0, words)));
    });
  }

  drawPlayers(g) {
    const { along, top, bottom, left, right, season } = this;
    for (const t of ticks(...this.span, right - left < 280 ? 4 : 7)) {
      g.append(upright(along(t), top, bottom, "grid"));
      g.append(text(along(t), bottom + 18, number(t, 2), "tick", "middle"));
    }
    g.append(level(left, right, bottom, "axis"));
    g.append(upright(along(this.mean), top, bottom, "complete"));
    g.append(text(along(this.mean), bottom + 36, "mean of all", "in-ink", "middle"));
    const estimates = this.estimates(this.share / 100);
    season.start.forEach((start, j) => {
      const y = top + ROW * (j + 0.5);
      g.append(text(0, y + 4, season.players[j]));
      g.append(level(along(start), along(estimates[j]), y, "line of-muted"));
      if (this.stage !== HIDDEN) g.append(triangle(along(season.truth[j]), y, 6, "exact"));
      g.append(svg("circle", { cx: along(start), cy: y, r: 5, class: "own" }));
      g.append(diamond(along(estimates[j]), y, 6, "given"));
    });
  }

  drawErrors(g) {
    const { across, upper, floor, right } = this;
    g.append(text(0, upper - 18, "total squared error", "title"));
    g.append(level(across(0), right, floor, "axis"));
    for (const t of [0, 25, 50, 75, 100]) {
      g.append(text(Math.min(across(t), right - 8), floor + 18, `${t}%`, "tick", "middle"));
    }
    g.append(text(right, floor + 38, "how far every average moves to the mean", "tick", "end"));
    const x = across(this.share);
    g.append(upright(x, upper, floor, "now"));
    g.append(svg("circle", { cx: x, cy: floor, r: 7, class: "knob" }));
    if (this.stage === HIDDEN) {
      const middle = (across(0) + right) / 2;
      g.append(text(middle, (upper + floor) / 2, "hidden until you press the button",
        "tick", "middle"));
      return;
    }
    const worst = Math.max(this.error(0), this.error(1));
    const up = linear([0, 1.08 * worst], [floor, upper]);
    for (const t of ticks(0, worst, 4)) {
      g.append(level(across(0), right, up(t), "grid"));
      g.append(text(50, up(t) + 4, number(t, 2), "tick", "end"));
    }
    const curve = Array.from({ length: 51 }, (_, k) =>
      [across(2 * k), up(this.error(k / 50))]);
    g.append(svg("path", { d: path(curve), class: "curve chosen" }));
    if (this.committed !== this.share) {
      g.append(diamond(across(this.committed), up(this.error(this.committed / 100)), 6, "ghost"));
    }
    if (this.stage === COMPARED) {
      const place = across(100 * this.season.choice);
      const low = up(this.error(this.season.choice));
      g.append(triangle(place, low, 7, "exact"));
      g.append(text(clamp(place, across(0) + 70, right - 70), low - 26,
        "the formula's choice", "name", "middle"));
    }
    g.append(diamond(x, up(this.error(this.share / 100)), 7, "given"));
  }

  showControls() {
    this.shareSlider.show(this.share, `${this.share}%`, `${this.share} per cent of the way`);
    this.seasonChoice.input.value = this.chosen;
    renew(this.next, PRESS[this.stage]);
  }

  fillTable() {
    const columns = [
      ["own averages", 0, SHOWN],
      [`your ${this.share}%`, this.share / 100, SHOWN],
      [`formula${this.stage === COMPARED ? ` ${this.percent(this.season.choice)}` : ""}`,
        this.season.choice, COMPARED],
      ["mean for all", 1, SHOWN],
    ];
    const row = (head, value) => html("tr", {}, html("th", { scope: "row" }, head),
      ...columns.map(([, share, from], k) => html("td", k === 1 ? { class: "chosen" } : {},
        this.stage < from ? "hidden" : value(share))));
    renew(
      this.table,
      html("thead", {}, html("tr", {}, html("td"),
        ...columns.map(([head]) => html("th", { scope: "col" }, head)))),
      html("tbody", {},
        row("total squared error", (share) => number(this.error(share), 4)),
        row("players closer than by own average",
          (share) => (share ? String(this.closer(share)) : "–"))),
    );
  }

  percent(share) {
    return `${Math.round(100 * share)}%`;
  }

  /** A sentence: the choice, one player's estimate, and the errors that may be shown. */
  sentence() {
    const { players, truth, title, known, choice: formula } = this.season;
    const share = this.share / 100;
    const said = [
      `${title}.`,
      `Every average moves ${this.share}% of the way to the mean, ${number(this.mean, 3)}: ` +
        `${players[0]}'s estimate is ${number(this.estimates(share)[0], 3)}.`,
    ];
    if (this.stage === HIDDEN) {
      return [...said, "What happened later is still hidden."].join(" ");
    }
    const [own, yours] = [this.error(0), this.error(share)];
    said.push(
      `The ${known === "true rates" ? "true rate" : known} of ${players[0]} is ` +
        `${number(truth[0], 3)}.`,
      `Your total squared error is ${number(yours, 4)}; that of the averages themselves is ` +
        `${number(own, 4)}. Your estimate is the closer one for ${this.closer(share)} of ` +
        `${players.length} players.`,
    );
    if (this.committed !== this.share) {
      said.push(`Before you looked you chose ${this.committed}%, with an error of ` +
        `${number(this.error(this.committed / 100), 4)}.`);
    }
    if (this.stage === COMPARED) {
      said.push(`From the first 45 at-bats alone the formula chooses ${this.percent(formula)}, ` +
        `with an error of ${number(this.error(formula), 4)}. The best choice in hindsight is ` +
        `${this.percent(this.best)}.`);
    }
    return said.join(" ");
  }
}

customElements.define("eighteen-players", EighteenPlayers);
