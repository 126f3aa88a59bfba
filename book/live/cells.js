// Code cells that a reader can run and edit, in the page.
//
// Only this file and its style sheet are fetched until a reader presses Run or Edit.
// Python itself is behind `Runtime` (runtime.js), the editor behind `edit` (editor.js).
// A classic script, not a module: browsers load no modules in a page that is opened as
// a file, and this script has to tell the reader why nothing runs there.
"use strict";
{
const BASE = new URL(".", document.currentScript.src).href;
const AGREED = "live:agreed";
const KEYS = "live-keys";

// Words and elements

/** make("p.note", {id: "x"}, "words", element): an element. */
const make = (what, attributes = {}, ...children) => {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  element.classList.add(...classes);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
};
const button = (words, label, press) =>
  make("button", { type: "button", "aria-label": label, click: press }, words);
const count = (n, one, many = one + "s") => `${n} ${n === 1 ? one : many}`;
const list = (words) =>
  words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
const megabytes = (bytes) => {
  const mb = bytes / 1e6;
  return `${mb && mb < 10 ? mb.toFixed(1) : Math.round(mb)} MB`;
};
const duration = (seconds) =>
  seconds > 100 ? `${Math.round(seconds / 60)} min`
    : `${seconds < 10 && seconds % 1 ? seconds.toFixed(1) : Math.round(seconds)} s`;

const remembered = () => {
  try { return localStorage.getItem(AGREED) === "yes"; } catch { return false; }
};
const remember = () => {
  // Where nothing can be stored, the reader is asked again on the next page.
  try { localStorage.setItem(AGREED, "yes"); } catch { /* asked again */ }
};

const status = make("div.live-heard", { role: "status" });
/** Announce words to screen readers. */
const say = (words) => { status.textContent = words; };

// Python

let runtime = null, attempts = 0;

/** Load a module; after a failure at a new address, since browsers remember failures. */
const fetchModule = async (name, what) => {
  if (location.protocol === "file:") {
    throw new Error(
      `This page was opened as a file, and a browser runs ${what} only in pages from a web `
      + "server. “make serve” in the book's repository starts one; so does "
      + "“python -m http.server” in the folder of these pages.");
  }
  try {
    return await import(`${BASE}${name}${attempts ? `?again=${attempts}` : ""}`);
  } catch (error) {
    attempts += 1;
    throw new Error(
      `${what[0].toUpperCase()}${what.slice(1)} could not be loaded. Is this device online?`,
      { cause: error });
  }
};

const load = async () => {
  if (runtime) return runtime;
  const { Runtime } = await fetchModule("runtime.js", "Python");
  const reason = Runtime.unsupported();
  if (reason) throw Object.assign(new Error(reason), { final: true });
  if (!runtime) {
    const made = runtime = new Runtime(BASE);
    made.addEventListener("state", () => {
      if (made === runtime && made.state === "off") forget();
    });
  }
  return runtime;
};

/** Python has ended, and everything that the cells computed is lost. */
const forget = () => {
  for (const cell of cells) {
    cell.lost ||= Boolean(cell.ran);
    cell.ran = null;
    cell.alone = false;
  }
  paint();
};

/** End a Python that failed, so that the next attempt starts a new one. */
const discard = () => {
  const old = runtime;
  runtime = null;
  try { old?.stop(); } catch { /* it had ended */ }
  forget();
};

// The queue: batches of cells, each started at one cell, its owner

const queue = [];
let current = null;

const pump = async () => {
  if (current) return;
  while ((current = queue.shift())) {
    const batch = current, { owner } = batch;
    try {
      await runBatch(batch);
    } catch (error) {
      owner.close();
      if (error.name === "Stopped") {
        stopped(owner);
      } else {
        discard();
        owner.fail(error, batch);
      }
    }
    for (const cell of [owner, ...batch.cells]) cell.state = "";
    paint();
  }
};

const stopped = (owner) => {
  forget();
  owner.note = ["Stopped. Python has ended, and what the cells had computed is lost."];
  say(owner.note[0]);
};

const runBatch = async (batch) => {
  const { owner, full } = batch;
  const began = performance.now();
  owner.busy("Starting Python");
  let stage = "";
  const python = await load();
  await python.start(({ stage: now, done, total, words }) => {
    const what = words || STAGES[now];
    if (now !== stage) say(what);
    stage = now;
    const sizes = now === "download" && total > 1e5
      ? `: ${megabytes(done).slice(0, -3)} of ${megabytes(total)}` : "";
    owner.progress(what + sizes, done, total);
  });
  for (const cell of batch.cells) {
    cell.state = "running";
    paint();
    const place = batch.cells.length > 1 || cell !== owner ? `Cell ${cell.n}: ` : "";
    owner.progress(`${place}running`);
    say(`Cell ${cell.n} is running`);
    const error = await cell.execute(python, full && cell === owner, (words, done, total) =>
      owner.progress(place + words, done, total));
    cell.state = "waiting";
    if (error) {
      owner.close();
      if (cell !== owner) {
        owner.note = [
          make("a", { href: `#live-${cell.n}` }, `Cell ${cell.n}`),
          ` stopped with an error (${error.name}), so ${
            batch.cells.includes(owner) ? "this one did" : "the cells after it did"} not run.`,
        ];
      }
      return;
    }
  }
  owner.close();
  if (!batch.cells.includes(owner)) {
    const words = batch.cells.length === 1 ? "The cell above has" : `The ${batch.cells.length} cells above have`;
    owner.note = [`${words} run, in ${duration((performance.now() - began) / 1000)}.`];
    say(owner.note[0]);
  }
};

const STAGES = {
  download: "Downloading Python",
  start: "Starting Python",
  packages: "Loading packages",
  ready: "Python is ready",
};

// Output

const picture = (source, alt, what) => make(`div.output.image.${what}`, {}, make("img", { src: source, alt }));

const SHOW = {
  "text/html": (html, cell) => {
    const shown = make("div.output.text_html");
    shown.innerHTML = html;
    // Output that is wider than the page can be scrolled with the keyboard.
    requestAnimationFrame(() => {
      if (shown.scrollWidth <= shown.clientWidth) return;
      shown.tabIndex = 0;
      shown.setAttribute("role", "region");
      shown.setAttribute("aria-label", `Output of cell ${cell.n}, which scrolls`);
    });
    return shown;
  },
  "image/svg+xml": (svg, cell, alt) =>
    picture(`data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`, alt, "svg"),
  "image/png": (data, cell, alt) => picture(`data:image/png;base64,${data}`, alt, "png"),
  "text/plain": (text) => make("div.output.text_plain", {}, make("pre", {}, text)),
};

/** Outputs as elements; consecutive text of one stream is one block. */
const rendered = (outputs, cell) => {
  const body = make("div.live-body");
  let pictures = 0, last = null;
  for (const output of outputs) {
    if (output.type === "stream") {
      if (last?.dataset.stream === output.name) {
        last.firstChild.append(output.text);
      } else {
        last = make("div.output.stream", { "data-stream": output.name },
          make("pre", {}, output.text));
        body.append(last);
      }
    } else if (output.type === "display") {
      last = null;
      const mime = Object.keys(SHOW).find((known) => known in output.data);
      if (!mime) continue;
      const alt = mime.startsWith("image/") ? cell.alt(pictures++) : "";
      body.append(SHOW[mime](output.data[mime], cell, alt));
    }
  }
  return body;
};

const thinning = ({ asked, did }, edited) =>
  `${count(did.chains, "chain")} of ${count(did.draws, "draw")}, where `
  + `${edited ? "your code asks for" : "the book has"} ${asked.chains} of ${asked.draws}`;

// Cells

class Cell {
  constructor(input, index) {
    this.n = index + 1;
    this.input = input;
    this.root = input.closest("div.cell");
    this.pre = input.querySelector("pre");
    this.highlighted = this.pre.innerHTML;
    this.book = this.code = this.pre.textContent.replace(/\n+$/, "");
    this.bookOutput = this.root.querySelector(".cell_output");
    this.ran = null;       // {code, above}: what ran last, and what had run above it then
    this.lost = false;     // it ran in a Python that has ended
    this.alone = false;    // the reader chose to run it without the cells above
    this.state = "";       // "", "waiting" or "running"
    this.note = [];
    this.editor = null;
    this.build();
  }

  build() {
    const of = `cell ${this.n}`;
    this.panel = make("div.live-panel", { hidden: "" });
    this.said = make("span.live-said");
    this.buttons = {
      run: button("Run", `Run ${of}`, () => this.press()),
      above: button("Run all above", `Run all above ${of}`, () => this.press({ above: true })),
      edit: button("Edit", `Edit ${of}`, () => this.edit()),
      reset: button("Reset", `Reset ${of} to the book's code`, () => this.reset()),
      shut: button("Close", `Close the editor of ${of}`, () => this.shut()),
      stop: button("Stop", `Stop ${of}`, () => this.stop()),
    };
    this.bar = make("div.live-bar",
      { id: `live-${this.n}`, role: "group", "aria-label": `Cell ${this.n}`, tabindex: "-1" },
      ...Object.values(this.buttons), this.said,
      make("span.live-n", { "aria-hidden": "true" }, `Cell ${this.n}`));
    this.output = make("div.cell_output.live-output", { hidden: "" });
    let top = this.input;
    while (top.parentElement !== this.root) top = top.parentElement;
    top.after(this.bar, this.panel, this.output);
    this.root.classList.add("live-cell");
    this.root.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.shiftKey || event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      event.stopPropagation();
      this.press();
    }, { capture: true });
    const warm = () => {
      if (remembered()) load().then((python) => python.warm()).catch(() => {});
    };
    // A pointer over the cell, or the focus in it, lets Python start before Run is
    // pressed. Merely scrolling past does not: Python takes a lot of memory.
    this.root.addEventListener("pointerenter", warm);
    this.root.addEventListener("focusin", warm);
  }

  get above() { return cells.slice(0, this.n - 1); }
  get edited() { return this.code !== this.book; }

  /** The cells above that ran, or were edited, since this one ran. */
  get newer() {
    if (!this.ran) return [];
    return this.above.filter((cell) => {
      const then = this.ran.above.get(cell);
      return cell.ran ? cell.ran.code !== then || cell.code !== cell.ran.code : then !== undefined;
    });
  }
  get due() {
    return this.state === "" && (!this.ran || this.ran.code !== this.code || this.newer.length > 0);
  }

  /** The alternative text of a live figure, from that of the book's figure. */
  alt(index) {
    const image = this.bookOutput?.querySelectorAll("img")[index];
    return `The figure of cell ${this.n}, drawn live.${
      image ? ` In the book: ${image.alt.trim()}` : ""}`;
  }

  paint() {
    const { run, above, edit, reset, shut, stop } = this.buttons;
    const idle = this.state === "";
    const focused = document.activeElement;
    run.setAttribute("aria-disabled", String(!idle));
    above.hidden = !idle || !this.above.length;
    edit.hidden = Boolean(this.editor);
    reset.hidden = !this.edited;
    shut.hidden = !this.editor || this.edited;
    stop.hidden = idle;
    // When the focused button disappears, the Run button gets the focus.
    if (focused?.hidden && this.bar.contains(focused)) run.focus();
    const newer = this.newer.map((cell) => cell.n);
    const since = this.ran && this.ran.code !== this.code;
    const marks = [];
    if (this.state) marks.push(this.state === "running" ? "Running" : "Waiting for its turn");
    if (this.edited || since) marks.push(since ? "Edited since it ran" : "Edited");
    if (newer.length) {
      marks.push(`Out of date: ${newer.length > 1 ? "cells" : "cell"} ${list(newer)} changed after it ran`);
    }
    if (this.lost && !this.output.hidden) marks.push("Out of date: Python has ended since");
    const stale = Boolean(newer.length || since || this.lost);
    this.root.classList.toggle("live-stale", stale);
    this.root.classList.toggle("live-active", !idle || Boolean(this.editor) || stale);
    const words = marks.length ? [`${marks.join(". ")}.`] : [];
    if (this.note.length) words.push(" ", ...this.note);
    this.said.replaceChildren(...words);
    return stale;
  }

  // Running

  async press({ above = false, full = false } = {}) {
    if (this.state) return;
    const back = document.activeElement;
    this.note = [];
    this.close();
    try {
      const python = await load();
      if (!remembered() && !(await this.consent(python, back))) return;
    } catch (error) {
      this.fail(error, { above, full });
      return;
    }
    let due = above ? this.above : this.alone ? [] : this.above.filter((cell) => cell.due);
    if (!above && due.length) {
      const answer = await this.offer(due.length, back);
      if (!answer) return;
      this.alone = answer === "one";
      if (this.alone) due = [];
    }
    if (this.state) return;
    const batch = { owner: this, cells: above ? due : [...due, this], full };
    batch.cells = batch.cells.filter((cell) => cell === this || !cell.state);
    if (!batch.cells.length) return;
    for (const cell of [this, ...batch.cells]) cell.state = "waiting";
    this.busy(current ? "Waiting for the cells that run" : "Starting");
    queue.push(batch);
    paint();
    pump();
  }

  stop() {
    const place = queue.findIndex(({ owner, cells: all }) => owner === this || all.includes(this));
    if (current && (current.owner === this || current.cells.includes(this))) {
      for (const { owner, cells: all } of queue.splice(0)) {
        owner.close();
        for (const cell of [owner, ...all]) cell.state = "";
      }
      runtime?.stop();
    } else if (place >= 0) {
      // It has not started, so that it is only removed from the queue.
      const [{ owner, cells: all }] = queue.splice(place, 1);
      owner.close();
      for (const cell of [owner, ...all]) cell.state = "";
      paint();
    }
  }

  /** Run this cell. The error that its code raised, or null. */
  async execute(python, full, progress) {
    const { code } = this;
    const events = [], thinned = [];
    let sampling = 0, drawing = 0;
    const on = (event) => {
      if (event.type === "sampling") {
        const { chain, chains, draw, total, perSecond, secondsLeft, divergences } = event;
        if (!sampling++) say(`Cell ${this.n} is sampling`);
        progress([
          `chain ${chain} of ${chains}, draw ${draw} of ${total}`,
          ...(perSecond ? [`${Math.round(perSecond)} a second`] : []),
          ...(Number.isFinite(secondsLeft) ? [`${duration(Math.ceil(secondsLeft))} left`] : []),
          divergences ? count(divergences, "divergence") : "no divergences",
        ].join(" · "), (chain - 1) * total + draw, chains * total);
      } else if (event.type === "thinned") {
        thinned.push(event);
      } else {
        events.push(event);
        // At most once a frame, however much is printed.
        drawing ||= requestAnimationFrame(() => {
          drawing = 0;
          if (this.state === "running") this.show(rendered(events, this), "Live, running");
        });
      }
    };
    const { outputs, error, seconds } = await python.run(code, {
      name: `cell ${this.n}`, full, on,
    });
    cancelAnimationFrame(drawing);
    const body = rendered(outputs, this);
    this.lost = false;
    this.note = [];
    if (error) {
      this.ran = null;
      body.append(make("div.live-error", { role: "alert" },
        make("p", {}, `Cell ${this.n} stopped with an error.`),
        make("pre", {}, error.traceback?.trimEnd() || `${error.name}: ${error.message}`)));
      this.show(body, `Live · ${duration(seconds)}`);
      return error;
    }
    this.ran = { code, above: new Map(this.above.filter((c) => c.ran).map((c) => [c, c.ran.code])) };
    const edited = code !== this.book;
    const thin = [...new Set(thinned.map((event) => thinning(event, edited)))];
    this.show(body, `Live${thin.length ? `: ${thin.join("; ")}` : ""} · ${duration(seconds)}`
      + (outputs.length ? "" : " · no output"),
    { done: outputs.length > 0, thin: thin.length > 0 });
    say(`Cell ${this.n} has run, in ${duration(seconds)}`);
    return null;
  }

  /** Show live output; with `done` it replaces the book's output. */
  show(body, words, { done = false, thin = false } = {}) {
    const label = make("p.live-label", {}, make("span", {}, words));
    this.output.hidden = false;
    this.output.replaceChildren(label, body);
    if (thin) {
      label.append(button("Run with all draws", `Run cell ${this.n} with all draws`,
        () => this.press({ full: true })));
    }
    const swap = (live) => {
      body.hidden = !live;
      this.bookOutput?.classList.toggle("live-away", live);
    };
    swap(false);
    body.hidden = false;
    if (!done || !this.bookOutput) return;
    swap(true);
    const toggle = button("Show the book's output", undefined, () => {
      swap(body.hidden);
      toggle.textContent = body.hidden ? "Show the live output" : "Show the book's output";
    });
    toggle.append(make("span.live-heard", {}, ` of cell ${this.n}`));
    label.append(toggle);
  }

  // Panels of a cell: questions, progress and failures

  put(attributes, ...children) {
    this.panel.replaceChildren(make("div", attributes, ...children));
    this.panel.hidden = false;
  }
  close() {
    this.answer?.(null);
    this.answer = null;
    this.panel.hidden = true;
    this.panel.replaceChildren();
  }

  /** Ask a question; resolves with the pressed button's value, or null for Escape. */
  ask(words, choices, back) {
    return new Promise((resolve) => {
      const finish = (value) => {
        this.answer = null;
        this.close();
        back.focus?.({ preventScroll: true });
        resolve(value);
      };
      const id = `live-question-${this.n}`;
      const buttons = choices.map(([name, value]) => button(name, undefined, () => finish(value)));
      this.put({
        role: "group", "aria-labelledby": id,
        keydown: (event) => event.key === "Escape" && finish(null),
      }, make("p", { id }, words), make("div.live-choices", {}, ...buttons));
      this.answer = resolve;
      buttons[0].focus();
    });
  }

  async consent(python, back) {
    const { bytes, heap, disk } = await python.size();
    const words = "Python can run here, in your browser. No server is involved, and what you "
      + `write stays on your device. ${bytes
        ? `To start, ${megabytes(bytes)} will be downloaded, and unpacked files are kept${
          disk ? ` (${megabytes(disk)})` : ""} for the next start`
        : "Nothing has to be downloaded (0 MB): the browser has kept the files"}${
        heap ? `. Python takes about ${megabytes(heap)} of memory` : ""}.`;
    const yes = await this.ask(words, [
      [bytes ? `Download ${megabytes(bytes)} and run` : "Start Python and run", true],
      ["Not now", false],
    ], back);
    if (yes) remember();
    return yes;
  }

  offer(n, back) {
    return this.ask(
      `${n === 1 ? "A cell above this one has" : `${n} cells above this one have`} not run, or `
      + "changed since. This cell may need the results.",
      [[`Run the ${n === 1 ? "cell" : `${n} cells`} above first`, "all"], ["Run just this one", "one"],
        ["Not now", null]], back);
  }

  busy(words) {
    this.words = make("p");
    this.meter = make("progress", { "aria-label": `Progress of cell ${this.n}`, max: "1" });
    this.put({ class: "live-progress" }, this.words, this.meter);
    this.words.textContent = words;
  }
  progress(words, done, total) {
    this.words.textContent = words;
    if (total > 0) this.meter.value = Math.min(done / total, 1);
    else this.meter.removeAttribute("value");
  }

  fail(error, again) {
    const retry = error.final ? [] : [button("Try again", `Try again to run cell ${this.n}`,
      () => this.press(again.owner ? { full: again.full, above: !again.cells.includes(this) } : again))];
    this.put({ class: "live-error", role: "alert" },
      make("p", {}, error.message, " The page stays as it is: the book's results are below its code."),
      make("div.live-choices", {}, ...retry,
        button("Close", `Close the message at cell ${this.n}`, () => { this.close(); this.buttons.run.focus(); })));
  }

  // Editing

  async edit() {
    if (this.editor) return;
    this.input.closest("details")?.setAttribute("open", "");
    let module;
    try {
      module = await fetchModule("editor.js", "the editor");
    } catch (error) {
      this.put({ class: "live-error", role: "alert" }, make("p", {}, error.message),
        make("div.live-choices", {}, button("Try again", `Try again to edit cell ${this.n}`,
          () => { this.close(); this.edit(); })));
      return;
    }
    if (this.editor) return;
    const holder = make("div.live-editor");
    this.pre.before(holder);
    this.pre.classList.add("live-replaced");
    this.keys = make("p.live-keys", { id: `${KEYS}-${this.n}` });
    this.pre.after(this.keys);
    const explain = (leaving) => {
      this.keys.textContent = leaving ? "Tab now leaves the editor."
        : "Shift-Enter runs. Tab indents; Escape, then Tab, leaves the editor.";
      if (leaving) say(this.keys.textContent);
    };
    explain(false);
    this.editor = module.edit(holder, {
      text: this.code,
      label: `Code of cell ${this.n}`,
      describedBy: this.keys.id,
      onChange: (text) => this.change(text),
      onLeave: explain,
    });
    paint();
    this.editor.focus();
  }

  change(text) {
    this.code = text.replace(/\n+$/, "");
    // The copy button and printing use this element.
    if (this.edited) this.pre.textContent = `${this.code}\n`;
    else this.pre.innerHTML = this.highlighted;
    paint();
  }

  /** Put the book's code back, as a change that can be undone. */
  reset() {
    this.editor.set(this.book);
    this.editor.focus();
    say(`Cell ${this.n} has the book's code again`);
  }

  shut() {
    this.editor.close();
    this.editor = null;
    this.input.querySelector(".live-editor").remove();
    this.keys.remove();
    this.pre.classList.remove("live-replaced");
    paint();
    this.buttons.edit.focus();
  }
}

const cells = [...document.querySelectorAll("div.cell div.cell_input")]
  .map((input, index) => new Cell(input, index));
let stale = 0;
const paint = () => {
  const now = cells.filter((cell) => cell.paint()).length;
  if (now > stale) say(`${count(now, "cell is", "cells are")} out of date`);
  stale = now;
};
(document.querySelector("main article") ?? document.body).append(status);
paint();
}
