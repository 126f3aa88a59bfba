"""What a page says of itself to machines: to search engines, and where it is shared.

Tags of the Open Graph for cards, JSON-LD in the words of schema.org, a canonical
address, ``sitemap.xml`` and ``robots.txt``. What needs the site's absolute address is
left out where `hosting.site` knows none. (Search engines read ``robots.txt`` at the top
of a host alone: elsewhere the map can be handed to them by hand.)
"""

from __future__ import annotations

from html import escape
import json
from pathlib import Path
import re
from urllib.parse import urljoin

from sphinx.application import Sphinx

from _sphinx.contents import chapters, chapters_with_exercises
from _sphinx.web import description, hosting, social_card

LICENCE = "https://creativecommons.org/licenses/by/4.0/"
SCHEMA = "https://schema.org"
#: Pages that nobody should find by searching.
HIDDEN = ("404", "search")
#: What the book is about.
SUBJECTS = ("hierarchical models", "Bayesian statistics", "partial pooling", "PyMC")


def use_address(app: Sphinx, config) -> None:
    """The site's address, for the theme's canonical links."""
    config.html_baseurl = hosting.site()


def add(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Put all of it in the head of a page."""
    tags = context["metatags"]
    if pagename in HIDDEN:
        context["pageurl"] = None
        context["metatags"] = tags + '<meta name="robots" content="noindex">\n'
        return
    title = re.sub(r"<[^>]*>", "", context["title"])
    about = description.said(tags)
    data = linked_data(app, pagename, title, about)
    # Nothing in a script element ends it but its own end.
    written = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    context["metatags"] = (
        tags
        + card(app.config.html_title, title, about, context["pageurl"])
        + f'<script type="application/ld+json">{written}</script>\n'
    )


def card(book: str, title: str, about: str, address: str | None) -> str:
    """The tags by which a link to a page is shown as a card."""
    tags = {
        "og:type": "book" if title == book else "article",
        "og:site_name": book,
        "og:title": title,
        "og:description": about,
        "og:locale": "en_GB",
    }
    if address:
        tags |= {
            "og:url": address,
            "og:image": hosting.site() + social_card.NAME,
            "og:image:width": str(social_card.SIZE[0]),
            "og:image:height": str(social_card.SIZE[1]),
            "og:image:alt": social_card.ALT,
        }
    lines = [f'<meta property="{k}" content="{escape(v)}">' for k, v in tags.items()]
    size = "summary_large_image" if address else "summary"
    lines.append(f'<meta name="twitter:card" content="{size}">')
    return "\n".join(lines) + "\n"


def linked_data(app: Sphinx, pagename: str, title: str, about: str) -> dict:
    """A page in the words of schema.org."""
    whole = book(app)
    if pagename == app.config.root_doc:
        parts = [
            {"@type": "Chapter", "name": _title(app, name), **_url(app, name)}
            for name in chapters_with_exercises(app.env)
        ]
        return {"@context": SCHEMA, **whole, "description": about, "hasPart": parts}
    data = {
        "@context": SCHEMA,
        "@type": "WebPage",
        "name": title,
        "description": about,
        "inLanguage": "en-GB",
        **{key: whole[key] for key in ("author", "license", "isAccessibleForFree")},
        **_url(app, pagename),
        "isPartOf": whole,
    }
    if pagename in chapters_with_exercises(app.env):
        data |= {
            "@type": ["Chapter", "LearningResource"],
            "position": chapters_with_exercises(app.env).index(pagename) + 1,
            "learningResourceType": "textbook chapter with exercises",
        }
    return data


def book(app: Sphinx) -> dict:
    return {
        "@type": "Book",
        "name": app.config.html_title,
        "author": {"@type": "Organization", "name": app.config.author},
        "license": LICENCE,
        "inLanguage": "en-GB",
        "isAccessibleForFree": True,
        "about": list(SUBJECTS),
        **_url(app, app.config.root_doc),
    }


def _title(app: Sphinx, docname: str) -> str:
    return app.env.titles[docname].astext()


def _url(app: Sphinx, docname: str) -> dict[str, str]:
    if not hosting.site():
        return {}
    return {"url": urljoin(hosting.site(), app.builder.get_target_uri(docname))}


def write(app: Sphinx, exception) -> None:
    """The map of the site, and where it is."""
    if exception is not None or app.builder.format != "html":
        return
    out, address = Path(app.outdir), hosting.site()
    (out / "sitemap.xml").unlink(missing_ok=True)
    robots = "User-agent: *\nAllow: /\n"
    if address:
        pages = [*chapters(app.env), "genindex"]
        found = [urljoin(address, app.builder.get_target_uri(page)) for page in pages]
        (out / "sitemap.xml").write_text(sitemap(found), encoding="utf-8")
        robots += f"\nSitemap: {address}sitemap.xml\n"
    (out / "robots.txt").write_text(robots, encoding="utf-8")


def sitemap(addresses: list[str]) -> str:
    """The addresses as sitemaps.org wants them."""
    lines = (f"  <url><loc>{escape(address)}</loc></url>" for address in addresses)
    return "\n".join(
        [
            '<?xml version="1.0" encoding="utf-8"?>',
            '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">',
            *lines,
            "</urlset>\n",
        ]
    )


def setup(app: Sphinx) -> None:
    app.connect("config-inited", use_address)
    # After the description, which it repeats.
    app.connect("html-page-context", add)
    app.connect("build-finished", write)
