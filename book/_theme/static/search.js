// Changes to Sphinx's search, made before it begins: first what has all of the query in
// its title; quotes of prose, without code and with each formula once; and marks on words,
// not on each "r" where "R-hat" was asked for, nor on what was asked for before.
{
  const asked = new URLSearchParams(location.search).get("q")?.toLowerCase().trim();
  // Without a query it would empty the field, in which a reader may be typing already.
  if (!asked) document.removeEventListener("DOMContentLoaded", Search.init);

  Scorer.score = ([, title, , , score]) =>
    score + (title.toLowerCase().includes(asked) ? Scorer.title : 0);

  const parse = Search._parseQuery;
  Search._parseQuery = (query) => {
    const [text, terms, excluded, marked, objects] = parse(query);
    localStorage.removeItem("sphinx_highlight_terms");
    const words = new Set([...marked].filter((word) => word.length > 2));
    return [text, terms, excluded, words, objects];
  };

  const AWAY = ".headerlink, script, .cell_input, details, annotation, .katex-html";
  Search.htmlToText = (html, anchor) => {
    const main = new DOMParser()
      .parseFromString(html, "text/html")
      .querySelector("main article");
    for (const part of main.querySelectorAll(AWAY)) part.remove();
    const place = anchor && main.querySelector(`[id="${anchor.slice(1)}"]`);
    if (!place) return main.textContent;
    const meaning = place.matches("dt") ? place.nextElementSibling.textContent : "";
    return `${place.textContent} ${meaning}`;
  };

  // What it quotes of its results it would fetch, which a page from a file may not.
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}
