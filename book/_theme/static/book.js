// What a page does besides being read. Menus and drawers open without it: they are
// <details> and popovers.
"use strict";
{
const page = document.documentElement;
const all = (selector) => [...document.querySelectorAll(selector)];

// Colours: those of the reader's system, or light, or dark, remembered.

const THEMES = { auto: "automatic", light: "light", dark: "dark" };
const button = document.querySelector(".theme-button");
const paint = (theme) => {
  page.dataset.theme = theme;
  button.setAttribute("aria-label", `Colours: ${THEMES[theme]}`);
  button.title = `Colours: ${THEMES[theme]}`;
};
paint(page.dataset.theme in THEMES ? page.dataset.theme : "auto");
button.addEventListener("click", () => {
  // The first press changes what the reader sees.
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const order = dark ? ["auto", "light", "dark"] : ["auto", "dark", "light"];
  const next = order[(order.indexOf(page.dataset.theme) + 1) % order.length];
  paint(next);
  try { localStorage.setItem("theme", next); } catch { /* not remembered */ }
});

// Figures and cells that answer a reader: their scripts wait until a reader does
// something, so that the text comes first; and no longer than three seconds.

const ACTS = ["pointermove", "pointerdown", "touchstart", "scroll", "keydown", "focusin"];
const load = (event) => {
  // A browser tells a page that appears under a pointer where it is: nobody moved it.
  if (event?.type === "pointermove" && !event.movementX && !event.movementY) return;
  for (const act of ACTS) removeEventListener(act, load);
  for (const waiting of all("[data-later]")) {
    waiting.removeAttribute("data-later");
    if (waiting.localName === "link") {
      waiting.disabled = false;
    } else {
      const script = document.createElement("script");
      script.async = false;
      script.src = waiting.src;
      script.addEventListener("error", () => tellMissing(script));
      waiting.replaceWith(script);
    }
  }
};
// Without the scripts there are no buttons that could say why nothing runs.
const missing = new Set();
const tellMissing = (script) => {
  missing.add(script);
  if (missing.size > 1) return;
  const note = document.createElement("p");
  note.className = "not-loaded";
  note.setAttribute("role", "alert");
  const again = document.createElement("button");
  again.type = "button";
  again.textContent = "Try again";
  again.addEventListener("click", () => {
    note.remove();
    for (const script of missing) script.setAttribute("data-later", "");
    missing.clear();
    load();
  });
  note.append(
    "What is interactive on this page could not be loaded. Is this device online? ", again);
  document.querySelector("article").append(note);
};
for (const act of ACTS) addEventListener(act, load, { passive: true });
addEventListener("load", () => setTimeout(load, 3000));

// The keyboard: Ctrl-K searches; Escape, or going on, closes a menu.

const field = document.querySelector(".site-contents input[name=q]");
field.placeholder = "Search (Ctrl K)";
addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "k") {
    event.preventDefault();
    if (!field.checkVisibility()) field.closest("[popover]").showPopover();
    field.focus();
  } else if (event.key === "Escape") {
    for (const menu of all("details.menu[open]")) {
      menu.open = false;
      menu.firstElementChild.focus();
    }
  }
});
const leave = ({ target }) => {
  for (const menu of all("details.menu[open]")) {
    if (!menu.contains(target)) menu.open = false;
  }
};
addEventListener("click", leave);
addEventListener("focusin", leave);

// Links to a place on this page: out of the drawer, and into what is folded.

const unfold = () => {
  const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const folded = place?.closest("details");
  if (folded && !folded.open) {
    folded.open = true;
    place.scrollIntoView();
  }
};
addEventListener("hashchange", unfold);
unfold();
addEventListener("click", ({ target }) => {
  const drawer = target.closest("a[href^='#']")?.closest(":popover-open");
  drawer?.hidePopover();
});

// Where one is, in the contents of the page: the last of the sections that cross the
// middle of the window.

const links = new Map();
for (const link of all(".page-contents a[href^='#']")) {
  const section = document.getElementById(decodeURIComponent(link.hash.slice(1)));
  if (section) links.set(section, link);
}
const crossing = new Set();
const watch = new IntersectionObserver((changes) => {
  for (const { target, isIntersecting } of changes) {
    crossing[isIntersecting ? "add" : "delete"](target);
  }
  const here = [...links.keys()].filter((section) => crossing.has(section)).pop();
  for (const [section, link] of links) {
    if (section === here) link.setAttribute("aria-current", "location");
    else link.removeAttribute("aria-current");
  }
}, { rootMargin: "-40% 0px -59% 0px" });
for (const section of links.keys()) watch.observe(section);

// Code is copied as it is shown, without the prompts of a terminal.

const select = (element) => getSelection().selectAllChildren(element);
for (const block of all("div.highlight")) {
  const copy = document.createElement("button");
  copy.type = "button";
  copy.className = "copybtn";
  copy.textContent = "Copy";
  copy.setAttribute("aria-label", "Copy the code");
  copy.addEventListener("click", async () => {
    const lines = block.querySelector("pre").textContent.trimEnd().split("\n");
    const prompt = ["$ ", ">>> "].find((sign) => lines[0].startsWith(sign)) ?? "";
    const text = lines.map((line) =>
      line.startsWith(prompt) ? line.slice(prompt.length) : line).join("\n");
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
    } catch {
      // Where a page may not, the reader can.
      select(block.querySelector("pre"));
      copy.textContent = "Press Ctrl-C";
    }
    setTimeout(() => { copy.textContent = "Copy"; }, 2000);
  });
  block.append(copy);
}

// What scrolls by itself is within the keyboard's reach, and what does not is not in
// its way. All are read before any is changed, so that the page is laid out once.

const reach = new ResizeObserver((changes) => {
  const scroll = changes.map(({ target }) => target.scrollWidth > target.clientWidth);
  changes.forEach(({ target }, place) => {
    if (scroll[place]) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  });
});
for (const block of all("pre, .math-block, .table-scroll")) reach.observe(block);
}
