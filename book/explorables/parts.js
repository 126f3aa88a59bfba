// Shared by the explorables: drawing, scales, controls, and the custom element.

const SVG = "http://www.w3.org/2000/svg";

/** A new SVG element with attributes, text and children. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

/** A new HTML element, in the same manner. */
export function html(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function fill(element, attributes, children) {
  set(element, attributes);
  element.append(...children);
  return element;
}

/**
 * Replace the children of an element by new ones, but keep what is equal: the browser
 * then computes styles, layout and paint only for what has changed.
 */
export function renew(parent, ...made) {
  for (const [k, child] of made.entries()) {
    const now = parent.childNodes[k];
    if (!now) parent.append(child);
    else if (typeof child === "string") {
      if (now.nodeName !== "#text") now.replaceWith(child);
      else if (now.data !== child) now.data = child;
    } else if (now.nodeName !== child.nodeName) now.replaceWith(child);
    else if (child.nodeName === "#text") {
      if (now.data !== child.data) now.data = child.data;
    } else {
      for (const { name, value } of child.attributes) {
        if (now.getAttribute(name) !== value) now.setAttribute(name, value);
      }
      for (const name of now.getAttributeNames()) {
        if (!child.hasAttribute(name)) now.removeAttribute(name);
      }
      renew(now, ...child.childNodes);
    }
  }
  while (parent.childNodes.length > made.length) parent.lastChild.remove();
}

export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  return element;
}

/** A linear map from [a, b] to [p, q], and back. */
export function linear([a, b], [p, q]) {
  const map = (value) => p + ((value - a) / (b - a)) * (q - p);
  map.inverse = (place) => a + ((place - p) / (q - p)) * (b - a);
  return map;
}

/** Round numbers from a to b, at most about `count` of them. */
export function ticks(a, b, count) {
  const rough = (b - a) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
  const found = [];
  for (let k = Math.ceil(a / step); k * step <= b; k++) found.push(k * step);
  return found;
}

export function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

/** A number as the book prints it: with a minus sign, and never minus zero. */
export function number(value, digits = 1) {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? "\u2212" + text : text;
}

/** The same with its sign, for a change. */
export function change(value, digits = 1) {
  const text = number(value, digits);
  return Number(text.replace("\u2212", "-")) > 0 ? "+" + text : text;
}

export function path(points) {
  return "M" + points.map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join("L");
}

export function upright(x, y1, y2, kind) {
  return svg("line", { x1: x, x2: x, y1, y2, class: kind });
}

export function level(x1, x2, y, kind) {
  return svg("line", { x1, x2, y1: y, y2: y, class: kind });
}

export function text(x, y, words, kind = "", anchor = "start") {
  return svg("text", { x, y, class: kind, "text-anchor": anchor }, words);
}

/** The book's marker of a pooled estimate: a diamond. */
export function diamond(x, y, r, kind) {
  const d = `M${x},${y - r}L${x + r},${y}L${x},${y + r}L${x - r},${y}Z`;
  return svg("path", { d, class: kind });
}

/** The book's marker of an exact result: a triangle. */
export function triangle(x, y, r, kind) {
  const d = `M${x},${y - r}L${x + r},${y + 0.8 * r}L${x - r},${y + 0.8 * r}Z`;
  return svg("path", { d, class: kind });
}

let count = 0;

/** A labelled range input with its value beside it. */
export function slider(label, { min, max, step }, onInput) {
  const id = `explorable-input-${++count}`;
  const input = html("input", { type: "range", id, min, max, step });
  const name = html("label", { for: id }, label);
  const output = html("output", { for: id });
  input.addEventListener("input", () => onInput(Number(input.value)));
  const row = html("div", { class: "control" }, name, input, output);
  return {
    row,
    name,
    input,
    show(value, words, spoken = words) {
      input.value = value;
      input.setAttribute("aria-valuetext", spoken);
      output.textContent = words;
    },
  };
}

/** A labelled list to choose from. */
export function choice(label, names, onChange) {
  const id = `explorable-input-${++count}`;
  const options = names.map((name, k) => html("option", { value: k }, name));
  const input = html("select", { id }, ...options);
  input.addEventListener("change", () => onChange(Number(input.value)));
  const name = html("label", { for: id }, label);
  return { input, row: html("div", { class: "control" }, name, input) };
}

export function button(words, onClick) {
  const made = html("button", { type: "button" }, words);
  made.addEventListener("click", onClick);
  return made;
}

/** The width of a drawing on paper, in its own units; the style sheet scales it. */
const PAPER = 640;

/**
 * An interactive figure.
 *
 * The element holds its data as JSON, written when the book was built, and a text for
 * readers without scripts, which is removed once the figure is drawn. A figure
 * defines `build(data)`, which adds its controls, and `draw(width)`; it calls
 * `update()` for a new frame, and defines `sentence()`, which is announced.
 */
export class Explorable extends HTMLElement {
  connectedCallback() {
    // On a page that is opened at its top: worked out when a reader comes near, so that
    // the page is there sooner, or prints it. Else every place is to be where it stays.
    if (!document.documentElement.classList.contains("at-top")) {
      this.begin();
      return;
    }
    const near = new IntersectionObserver(
      (seen) => seen.some((entry) => entry.isIntersecting) && this.begin(),
      { rootMargin: "800px" },
    );
    near.observe(this);
    addEventListener("beforeprint", () => this.begin());
  }

  begin() {
    if (this.drawing) return;
    this.print = matchMedia("print");
    const data = JSON.parse(this.querySelector("script").textContent);
    const said = this.querySelector(".explorable-description");
    this.drawing = svg("svg", { role: "group", "aria-describedby": said.id });
    this.drawing.setAttribute("aria-label", this.getAttribute("label"));
    this.controls = html("div", { class: "controls" });
    this.summary = html("p", { class: "summary", role: "status" });
    this.build(data);
    this.querySelector(".explorable-off").remove();
    this.append(this.drawing, this.controls, this.summary);
    // Dragging with a finger must not scroll the page; touch-action on a part of a
    // drawing does not prevent it in every browser.
    const keep = (event) => this.holding && event.preventDefault();
    this.drawing.addEventListener("touchstart", keep, { passive: false });
    this.drawing.addEventListener("touchmove", keep, { passive: false });
    this.setAttribute("ready", "");
    new ResizeObserver(() => this.update(false)).observe(this);
    this.print.addEventListener("change", () => this.frame());
    addEventListener("beforeprint", () => this.frame(true));
    addEventListener("afterprint", () => this.frame());
    this.frame();
    this.summary.textContent = this.sentence();
  }

  /** Draw in the next frame, and announce the result when the reader pauses. */
  update(speak = true) {
    this.wanted ??= requestAnimationFrame(() => this.frame());
    if (speak) this.speak(400);
  }

  /** Draw now: as wide as in the window, or for paper, which may have another width. */
  frame(printing = this.print.matches) {
    cancelAnimationFrame(this.wanted);
    this.wanted = null;
    const began = performance.now();
    const width = printing ? PAPER : Math.max(280, Math.floor(this.clientWidth));
    this.draw(width);
    this.milliseconds = performance.now() - began;
  }

  speak(after) {
    clearTimeout(this.pause);
    this.pause = setTimeout(() => {
      this.summary.textContent = this.sentence();
    }, after);
  }

  /** The place of a pointer in the units of the drawing. */
  place(event) {
    const box = this.drawing.getBoundingClientRect();
    const scale = this.drawing.viewBox.baseVal.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }

  /** Follow a pointer until it is released; with `holding` it does not scroll. */
  follow(event, onMove, { holding = false, onEnd = () => {} } = {}) {
    if (event.button) return;
    event.preventDefault();
    this.holding = holding;
    const target = this.drawing;
    target.setPointerCapture(event.pointerId);
    const move = (e) => e.pointerId === event.pointerId && onMove(...this.place(e));
    const end = (e) => {
      if (e.pointerId !== event.pointerId) return;
      target.removeEventListener("pointermove", move);
      target.removeEventListener("pointerup", end);
      target.removeEventListener("pointercancel", end);
      this.holding = false;
      onEnd();
    };
    target.addEventListener("pointermove", move);
    target.addEventListener("pointerup", end);
    target.addEventListener("pointercancel", end);
  }
}
