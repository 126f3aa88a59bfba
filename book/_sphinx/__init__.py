"""The book's Sphinx extension.

`setup` lists its parts in the order in which they act. ``README.md`` beside this file
draws the way of a page from Markdown to HTML.
"""

from sphinx.application import Sphinx

from _sphinx import events
from _sphinx.content import (
    chapter_map,
    data_cards,
    explorable,
    figures,
    fits_table,
    gated_exercises,
    lists,
    mathematics,
    models,
    term_index,
)
from _sphinx.downloads import notebooks, offline_archive, print_builder
from _sphinx.executing import parallel
from _sphinx.live import cells, packages
from _sphinx.web import (
    hosting,
    metadata,
    not_found,
    redirects,
    search,
    sitemap,
    social_card,
)
import _theme

PARTS = (
    # Before a page is read
    events,  # read pages again when a page or a file changes that they are made of
    hosting,  # link to the repository and the site that this build is for
    parallel,  # run the chapters whose results are missing, several at a time
    # While a page is read
    gated_exercises,  # forget the exercises of a page that is read again
    data_cards,  # {data-cards}: a section for each data set
    fits_table,  # {fits-table}: a row for each fit, from the executed chapters
    models,  # {models}: a section for each model, from the executed chapters
    explorable,  # {explorable}: an interactive figure, with its data
    chapter_map,  # {chapter-map}: which chapter needs which, as a drawing of links
    lists,  # {list-of}: the figures and exercises of the book
    term_index,  # lead each entry of the index to the section it stands in
    # When all pages are read
    redirects,  # check the list of pages that have moved
    # While a page is written
    _theme,  # templates, the HTML of nodes, and the lists that others append to
    figures,  # require alternative texts and colours for dark mode, set sizes
    cells,  # mark the code cells that a reader can run, and link their scripts
    mathematics,  # set formulas with KaTeX
    metadata,  # description, card of a shared link, linked data, address
    not_found,  # the page at addresses without a page
    search,  # have the index entries of all pages in the search
    # In place of the steps below, when the book is to be printed
    print_builder,  # the builder `print`: all pages as one
    # When all pages are written
    sitemap,  # sitemap.xml and robots.txt
    packages,  # the Python packages of the live cells
    social_card,  # the picture that is shown with a link to the book
    notebooks,  # notebooks for students and with solutions, and the course
    offline_archive,  # the PDF, if it has been made, and the site as one archive
)


def setup(app: Sphinx) -> dict:
    for part in PARTS:
        part.setup(app)
    return {
        "version": "1",
        "env_version": 5,
        "parallel_read_safe": False,
        "parallel_write_safe": True,
    }
