{
  const page = document.documentElement;
  page.classList.add("scripted");
  // Where nothing may be stored, the page follows the reader's system.
  try { page.dataset.theme = localStorage.getItem("theme") ?? "auto"; } catch { /* auto */ }
  // A page that is opened at a place in it, or again where it was left, has to have all
  // that is above that place; one that opens at its top can lay it out later.
  const [visit] = performance.getEntriesByType("navigation");
  if (!location.hash && visit?.type === "navigate") page.classList.add("at-top");
  // The fonts that a page begins with. A link would do, but browsers refuse it with a
  // message in a page that was opened as a file.
  if (location.protocol !== "file:") {
    const sheet = document.querySelector("link[href*='book.css']").href;
    for (const font of ["Regular", "SemiBold"]) {
      document.head.append(Object.assign(document.createElement("link"), {
        rel: "preload", as: "font", type: "font/woff2", crossOrigin: "",
        href: new URL(`fonts/SourceSerif4-${font}-basic.woff2`, sheet),
      }));
    }
  }
}
