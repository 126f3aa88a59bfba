// What a page does besides being read: menus in its header, and a table of contents
// that says where one is (Bootstrap, of 80 kB, would do the same); and that it is light
// on paper, and asks for nothing where it was opened as a file.
const menus = [...document.querySelectorAll("[data-bs-toggle=dropdown]")];

function open(button, yes) {
  button.setAttribute("aria-expanded", yes);
  button.nextElementSibling.classList.toggle("show", yes);
}

addEventListener("click", (event) => {
  for (const button of menus) {
    const asked = button.contains(event.target);
    open(button, asked && button.getAttribute("aria-expanded") !== "true");
  }
});

// Whoever goes on with Tab leaves the menu behind.
addEventListener("focusin", ({ target }) => {
  for (const button of menus) {
    if (!button.parentElement.contains(target)) open(button, false);
  }
});

addEventListener("keydown", (event) => {
  const button = menus.find((b) => b.getAttribute("aria-expanded") === "true");
  if (event.key === "Escape" && button) {
    open(button, false);
    button.focus();
  }
});

// On a phone the sections are in a dialog, which would stay before the chosen one.
addEventListener("click", ({ target }) => {
  if (target.closest("a[href^='#']")) target.closest("dialog")?.close();
});

const entries = new Map();
for (const link of document.querySelectorAll(".page-toc a[href^='#']")) {
  const section = document.getElementById(decodeURIComponent(link.hash.slice(1)));
  if (section) entries.set(section, link);
}
const near = new Set();
const watch = new IntersectionObserver(
  (changes) => {
    for (const { target, isIntersecting } of changes) {
      near[isIntersecting ? "add" : "delete"](target);
    }
    // The innermost of those that cross the middle of the window: the last.
    const here = [...entries.keys()].filter((section) => near.has(section)).pop();
    for (const [section, link] of entries) {
      link.classList.toggle("active", section === here);
      if (section === here) link.setAttribute("aria-current", "location");
      else link.removeAttribute("aria-current");
    }
  },
  { rootMargin: "-40% 0px -59% 0px" },
);
for (const section of entries.keys()) watch.observe(section);

// A page that opens at its top sets what is far below when a reader comes near (see
// book.css). Who jumps, or prints, needs every place where it is going to stay.
const page = document.documentElement;

function setAll() {
  page.removeAttribute("data-far");
  dispatchEvent(new Event("setall"));
}

addEventListener(
  "click",
  (event) => event.target.closest?.("a[href*='#']") && setAll(),
  { capture: true },
);
addEventListener("hashchange", () => {
  if (!page.hasAttribute("data-far")) return;
  setAll();
  document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
});
addEventListener("beforeprint", setAll);

// Paper is light, whatever the screen is.
let shown = page.dataset.theme;
addEventListener("beforeprint", () => {
  shown = page.dataset.theme;
  page.dataset.theme = "light";
});
addEventListener("afterprint", () => {
  page.dataset.theme = shown;
});

// What a search quotes of its results it would fetch, which no file may.
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

// What scrolls by itself is within the keyboard's reach, and what does not is not in
// its way.
const BLOCKS =
  "pre, .math-block, .cell_output > .output, .pst-scrollable-table-container";
const reach = new ResizeObserver((changes) => {
  // All are read before any is changed, so that the page is laid out once.
  const scroll = changes.map(({ target }) => target.scrollWidth > target.clientWidth);
  changes.forEach(({ target }, place) => {
    if (scroll[place]) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  });
});
for (const block of document.querySelectorAll(BLOCKS)) reach.observe(block);
