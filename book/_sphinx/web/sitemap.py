"""Write ``sitemap.xml`` and ``robots.txt`` for search engines.

The map is written only where `hosting.site` knows the address of the site. (The package
sphinx-sitemap lists the pages that one build has written: after a build that writes a
single changed page, its map has that page alone.)
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urljoin
from xml.etree import ElementTree

from sphinx.application import Sphinx

from _sphinx.contents import pages
from _sphinx.events import when_html_is_built
from _sphinx.web import hosting

NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


def write(app: Sphinx) -> None:
    out, site = Path(app.outdir), hosting.site()
    robots = "User-agent: *\nAllow: /\n"
    if site:
        root = ElementTree.Element("urlset", xmlns=NAMESPACE)
        for page in (*pages(app.env), "genindex"):
            url = ElementTree.SubElement(root, "url")
            address = urljoin(site, app.builder.get_target_uri(page))
            ElementTree.SubElement(url, "loc").text = address
        ElementTree.indent(root)
        ElementTree.ElementTree(root).write(
            out / "sitemap.xml", encoding="utf-8", xml_declaration=True
        )
        robots += f"\nSitemap: {site}sitemap.xml\n"
    else:
        (out / "sitemap.xml").unlink(missing_ok=True)
    (out / "robots.txt").write_text(robots, encoding="utf-8")


def setup(app: Sphinx) -> None:
    when_html_is_built(app, write)
