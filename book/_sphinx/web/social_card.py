"""The picture that is shown with a shared link: the book's title and cover figure.

The cell that draws the cover figure runs again, in the size of a card. The card is
made only where the site's address is known, since its link must be absolute.
(The cards of sphinxext-opengraph hold words alone, in a typeface of their own.)
"""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from sphinx.application import Sphinx

from _sphinx.events import when_html_is_built
from _sphinx.executing.parallel import read_source
from _sphinx.web import hosting

NAME = "card.png"
SIZE = (1200, 630)  # pixels
ALT = "Borrowing Strength: the effects of eight schools, from one for all to each alone"
FIGURE = "fig-index-cover"
SUBTITLE = "Hierarchical Bayesian models in PyMC"
#: The colour of a light page.
PAPER = "#fefdfb"


def cover(notebook) -> str:
    """The source of the cell that draws the cover figure.

    Raises
    ------
    ValueError
        If the page has no cell with a figure of that name.
    """
    for cell in notebook.cells:
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if figure.get("name") == FIGURE:
            return cell.source
    raise ValueError(f"no cell of the first page draws {FIGURE}")


def draw(source: str, title: str, path: Path) -> None:
    """Run the cell, and save its figure below the title."""
    # Only here: a build without an address of the site does without Matplotlib.
    from matplotlib import pyplot as plt

    from pooling import plots

    with plt.rc_context():
        with redirect_stdout(StringIO()):
            exec(compile(source, FIGURE, "exec"), {})
        figure = plt.gcf()
        # The title has the top quarter of the card.
        figure.set_layout_engine("constrained", rect=(0.04, 0.03, 0.94, 0.71))
        figure.set_size_inches(*(pixels / 100 for pixels in SIZE))
        figure.axes[0].set_title("")
        words = {"x": 0.05, "fontfamily": "serif", "color": plots.COLORS["ink"]}
        figure.text(y=0.87, s=title, fontsize=44, weight="bold", **words)
        figure.text(y=0.79, s=SUBTITLE, fontsize=20, **words)
        figure.savefig(path, dpi=100, facecolor=PAPER, transparent=False)
        plt.close(figure)


def write(app: Sphinx) -> None:
    card = Path(app.outdir) / NAME
    if hosting.site():
        page = read_source(app.env, app.config.root_doc)
        draw(cover(page.notebook), app.config.html_title, card)
    else:
        card.unlink(missing_ok=True)


def setup(app: Sphinx) -> None:
    when_html_is_built(app, write)
