"""The picture that is shown with a link to the book: its title, and its cover figure.

The cover figure is drawn anew by its own cell, in the size of a card. It is made only
where the site's address is known, since a picture is linked by an absolute one.
"""

from __future__ import annotations

from contextlib import redirect_stdout
import hashlib
from io import StringIO
from pathlib import Path
import tempfile

from fontTools.ttLib import TTFont
from matplotlib import font_manager
from matplotlib import pyplot as plt
from PIL import Image
from sphinx.application import Sphinx

from _sphinx.executing import chapter_cache
from _sphinx.web import hosting
from pooling import plots

NAME = "card.png"
SIZE = (1200, 630)
ALT = "Borrowing Strength: the effects of eight schools, from one for all to each alone"
DPI = 100
FIGURE = "fig-index-cover"
FACE = Path("book/_theme/static/fonts/SourceSerif4-SemiBold.woff2")
SUBTITLE = "Hierarchical Bayesian models, computed where they stand"
#: The page's own, on a light screen.
PAPER = "#fefdfb"


def cover(root: Path, docname: str) -> str:
    """The source of the cell that draws the cover figure.

    Raises
    ------
    ValueError
        If no cell says that its figure is that one.
    """
    for cell in chapter_cache.read_notebook(root / f"{docname}.md").cells:
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if figure.get("name") == FIGURE:
            return cell.source
    raise ValueError(f"no cell of {docname}.md draws {FIGURE}")


def draw(source: str, title: str, face: Path, path: Path) -> None:
    """Run the cell, and set its figure under the title."""
    with tempfile.TemporaryDirectory() as folder, plt.rc_context():
        # Matplotlib reads no WOFF2.
        font = TTFont(face)
        font.flavor = None
        font.save(Path(folder) / "title.ttf")
        serif = font_manager.FontProperties(fname=Path(folder) / "title.ttf")
        with redirect_stdout(StringIO()):
            exec(compile(source, FIGURE, "exec"), {})
        figure = plt.gcf()
        # The title has the top of the card.
        figure.set_layout_engine("constrained", rect=(0.04, 0.03, 0.94, 0.71))
        figure.set_size_inches(*(pixels / DPI for pixels in SIZE))
        figure.set_facecolor(PAPER)
        figure.axes[0].set_title("")
        ink = plots.PALETTE["ink"][0]
        figure.text(0.05, 0.87, title, fontproperties=serif, fontsize=44, color=ink)
        figure.text(0.05, 0.79, SUBTITLE, fontproperties=serif, fontsize=20, color=ink)
        figure.savefig(path, dpi=DPI, facecolor=PAPER)
        plt.close(figure)
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(64).save(path, optimize=True)


def write(app: Sphinx, exception) -> None:
    if exception is not None or app.builder.format != "html":
        return
    card = Path(app.outdir) / NAME
    if not hosting.site():
        card.unlink(missing_ok=True)
        return
    root, title = Path(app.srcdir), app.config.html_title
    source = cover(root, app.config.root_doc)
    made_of = hashlib.sha256(repr((source, title, SUBTITLE, SIZE)).encode())
    # Kept beside the pages, under a name that says what it was made of.
    kept = Path(app.outdir).parent / ".card" / f"{made_of.hexdigest()[:16]}.png"
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        draw(source, title, root / FACE, kept)
    card.write_bytes(kept.read_bytes())


def setup(app: Sphinx) -> None:
    app.connect("build-finished", write)
