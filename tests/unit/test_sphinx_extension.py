"""The book's Sphinx extensions, each on its own."""

import json
import os
from pathlib import Path
import subprocess
import sys
from types import SimpleNamespace

from docutils import nodes
from docutils.utils import new_document
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
import nbformat
import psutil
import pytest
import yaml

import _sphinx
from _sphinx import events
from _sphinx.content import data_cards, explorable, figures, fits_table, mathematics
from _sphinx.executing import kernels, parallel, records
from _sphinx.executing.chapter_cache import ingredients_digest
from _sphinx.live import cells
from _sphinx.web import hosting
import chapters
from pooling import _glue, diagnostics, plots

ROOT = Path(__file__).resolve().parents[2]


# Figures


def drawing(color: str) -> str:
    figure = Figure(figsize=(2, 1))
    figure.add_artist(Line2D([0, 1], [0, 1], color=color))
    return plots.svg(figure)


def checked(tmp_path, monkeypatch, svg: str, **attributes):
    """An image after the transform, and its warnings."""
    (tmp_path / "a.svg").write_text(svg, encoding="utf-8")
    warnings = []
    monkeypatch.setattr(
        figures.logger, "warning", lambda text, location: warnings.append(text)
    )
    document = new_document("page")
    document += nodes.image(uri="a.svg", **attributes)
    document.settings.env = SimpleNamespace(app=SimpleNamespace(srcdir=tmp_path))
    figures.CheckImages(document).run()
    return document[0], warnings


def test_a_figure_of_the_book_gets_its_size_in_css_pixels(tmp_path, monkeypatch):
    svg = drawing(plots.COLORS["ink"])
    width, height = figures.size(svg)
    assert f'width="{width * 3 / 4:.0f}' in svg and abs(width - 192) < 25
    image, warnings = checked(tmp_path, monkeypatch, svg, alt="A line.")
    assert (image["width"], image["height"]) == (f"{width}px", f"{height}px")
    assert not warnings


def test_a_size_that_the_page_gives_stays(tmp_path, monkeypatch):
    svg = drawing(plots.COLORS["ink"])
    image, _ = checked(tmp_path, monkeypatch, svg, alt="A line.", width="50%")
    assert image["width"] == "50%" and "height" not in image


def test_a_size_in_another_unit_is_refused():
    with pytest.raises(ValueError, match="must be in pt"):
        figures.size('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')


@pytest.mark.parametrize("alt", [{}, {"alt": " "}])
def test_a_figure_without_alternative_text_fails_the_build(tmp_path, monkeypatch, alt):
    _, (warning,) = checked(tmp_path, monkeypatch, drawing("#1e2228"), **alt)
    assert "no alternative text" in warning


def test_a_figure_without_the_book_s_colours_fails_the_build(tmp_path, monkeypatch):
    svg = drawing("#123456")
    _, (warning,) = checked(tmp_path, monkeypatch, svg, alt="A line.")
    assert "no colours for a dark page" in warning


# What a chapter's results depend on


@pytest.fixture
def project(tmp_path):
    files = {
        "code/pooling/exact.py": "x = 1\n",
        "code/pooling/book.mplstyle": "lines.linewidth: 1\n",
        "data/radon.csv": "county\nAitkin\n",
        "data/radon.yml": "title: Radon\n",
        "book/_sphinx/executing/kernel_profile/startup.py": "pass\n",
        "book/pooling/radon.md": "# How much to pool?\n",
        "requirements.txt": "numpy==2.2.0\nipython==9.18.1\nsphinx==7.4.7\n",
        "README.md": "# Book\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        "code/pooling/exact.py",
        "code/pooling/book.mplstyle",
        "code/pooling/new.py",
        "data/radon.csv",
        "data/new.csv.gz",
        "book/_sphinx/executing/kernel_profile/startup.py",
    ],
)
def test_module_data_and_kernel_settings_name_the_cache(project, name):
    before = ingredients_digest(project)
    with (project / name).open("a", encoding="utf-8") as file:
        file.write("# more\n")
    assert ingredients_digest(project) != before


@pytest.mark.parametrize(
    ("package", "computes"), [("numpy", True), ("ipython", True), ("sphinx", False)]
)
def test_packages_that_compute_something_name_the_cache(project, package, computes):
    before = ingredients_digest(project)
    file = project / "requirements.txt"
    text = file.read_text(encoding="utf-8").replace(f"{package}==", f"{package}==1")
    file.write_text(text, encoding="utf-8")
    assert (ingredients_digest(project) != before) == computes


@pytest.mark.parametrize(
    "name",
    [
        "book/pooling/radon.md",
        "README.md",
        "code/pooling/__pycache__/exact.cpython-313.pyc",
        "tests/test_new.py",
    ],
)
def test_prose_does_not_name_the_cache(project, name):
    before = ingredients_digest(project)
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text("Another sentence.\n", encoding="utf-8")
    assert ingredients_digest(project) == before


def test_a_file_s_name_and_removal_change_the_cache(project):
    before = ingredients_digest(project)
    (project / "data/radon.csv").rename(project / "data/houses.csv")
    renamed = ingredients_digest(project)
    (project / "data/houses.csv").unlink()
    assert len({before, renamed, ingredients_digest(project)}) == 3


def test_the_digest_is_the_same_anywhere(project, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("a folder") / "book"
    project.rename(elsewhere)
    moved = ingredients_digest(elsewhere)
    elsewhere.rename(project)
    assert moved == ingredients_digest(project)


# Records


CHAPTER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---
# {title}

```{{code-cell}} ipython3
{code}
```
"""


def outputs() -> list:
    display = "display_data"
    return [
        nbformat.v4.new_output(
            display,
            data={"text/plain": "✓"},
            metadata={diagnostics.RECORD: {"name": "idata"}},
        ),
        nbformat.v4.new_output(
            display,
            data={_glue.RECORD: {"key": "a", "value": 1.5}, "text/plain": "1.5"},
        ),
        nbformat.v4.new_output("stream", name="stdout", text="hello"),
    ]


SHARED = ("_toc.yml", "references.bib", "book/_sphinx/web/a.py", "book/_theme/b.py")


@pytest.mark.parametrize("name", SHARED)
def test_what_every_page_is_made_with_has_every_page_read_again(tmp_path, name):
    """By a setting that Sphinx compares with that of the build before."""
    for file in SHARED:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("one", encoding="utf-8")
    settings = {}
    app = SimpleNamespace(
        srcdir=tmp_path,
        add_config_value=lambda key, default, rebuild: settings.update({key: rebuild}),
        connect=lambda event, listener: None,
    )
    events.setup(app)
    assert settings == {"shared_sources": "env"}
    config = SimpleNamespace(
        external_toc_path="_toc.yml", bibtex_bibfiles=["references.bib"]
    )
    events.digest_of_shared_sources(app, config)
    before = config.shared_sources
    events.digest_of_shared_sources(app, config)
    assert config.shared_sources == before
    (tmp_path / name).write_text("two", encoding="utf-8")
    events.digest_of_shared_sources(app, config)
    assert config.shared_sources != before


def test_records_are_found_among_other_outputs():
    cell = nbformat.v4.new_code_cell("x", outputs=outputs())
    text = nbformat.v4.new_markdown_cell("prose")
    notebook = nbformat.v4.new_notebook(cells=[text, cell])
    assert records.fits(notebook) == [{"name": "idata"}]
    assert records.glued(notebook) == {"a": {"key": "a", "value": 1.5}}


def test_a_build_keeps_the_records_of_the_pages_that_it_reads(tmp_path, monkeypatch):
    picture = nbformat.v4.new_output("display_data", {"image/svg+xml": "<svg/>"})
    cell = nbformat.v4.new_code_cell("x", outputs=[*outputs(), picture])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    pages = {"a": parallel.Source("a", tmp_path / "a.md", notebook), "b": None}
    monkeypatch.setattr(parallel, "read_source", lambda env, name: pages[name])
    monkeypatch.setattr(parallel, "_cached", lambda cache, chapter: True)
    monkeypatch.setattr(
        parallel.chapter_cache, "with_outputs", lambda notebook, cache: notebook
    )
    env = SimpleNamespace()
    app = SimpleNamespace(
        config=SimpleNamespace(nb_execution_cache_path=str(tmp_path))
    )
    parallel.run_stale(app, env, ["a", "b"])
    kept = parallel.executed(env, "a")
    assert records.fits(kept) == [{"name": "idata"}]
    assert records.glued(kept) == {"a": {"key": "a", "value": 1.5}}
    assert picture not in kept.cells[0].outputs
    assert parallel.executed(env, "b") is None
    # A chapter that has lost its code has lost its records.
    pages["a"] = None
    parallel.run_stale(app, env, ["a"])
    assert parallel.executed(env, "a") is None


def test_an_executed_chapter_is_read_from_the_cache(project):
    from jupyter_cache import get_cache
    from jupyter_cache.base import CacheBundleIn

    file = project / "book/pooling/radon.md"
    place = project / "_build" / ".cache" / ingredients_digest(project)

    def fits(title: str, code: str) -> list:
        file.write_text(CHAPTER.format(title=title, code=code), encoding="utf-8")
        chapters.read.cache_clear()
        return records.fits(chapters.executed("book/pooling/radon", project))

    with pytest.raises(LookupError, match="pooling/radon.*make book"):
        fits("Radon", "x = 1")
    assert not place.exists()

    cell = nbformat.v4.new_code_cell("x = 1", outputs=outputs(), execution_count=1)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    run = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})
    get_cache(str(place)).cache_notebook_bundle(
        CacheBundleIn(run, str(file)), check_validity=False, overwrite=True
    )
    assert fits("Radon", "x = 1")
    assert fits("Houses", "x = 1")
    with pytest.raises(LookupError):
        fits("Houses", "x = 2")


FIT = {
    "name": "centered",
    "sampler": "nutpie",
    "chains": 4,
    "draws": 1000,
    "rhat": 1.0049,
    "ess_bulk": 1234.5,
    "ess_tail": 987.6,
    "divergences": 0,
    "treedepth": 0.0,
    "ebfmi": 0.987,
    "failures": [],
    "expect": [],
}


def test_a_fit_is_a_row_of_the_table():
    assert fits_table.cells(FIT) == (
        "centered",
        "nutpie",
        "4 × 1,000",
        "1.005",
        "1,234",
        "988",
        "0",
        "0%",
        "0.99",
        "sound",
    )
    assert len(fits_table.COLUMNS) == len(fits_table.cells(FIT))


def test_a_fit_that_is_there_to_fail_says_so():
    fit = {**FIT, "divergences": 31, "ebfmi": None}
    fit |= {"failures": ["divergences", "ebfmi"], "expect": ["divergences", "ebfmi"]}
    cells = fits_table.cells(fit)
    assert cells[-1] == "fails as it should: divergences, ebfmi"
    assert cells[6:9] == ("31", "0%", "—")


# Links to the hosting repository

GITHUB = {
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_REPOSITORY": "reader/fork",
    "GITHUB_REF_NAME": "main",
}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {}),
        (GITHUB, {"url": "https://github.example/reader/fork", "branch": "main"}),
        ({"GITHUB_SERVER_URL": "https://github.example"}, {}),
        ({**GITHUB, "GITHUB_REPOSITORY": ""}, {}),
    ],
)
def test_the_repository_is_the_one_that_hosts_the_build(environ, expected):
    assert hosting.repository(environ) == expected


def test_a_build_at_home_has_no_links_and_a_fork_its_own(monkeypatch):
    for name in GITHUB:
        monkeypatch.delenv(name, raising=False)
    assert page_links("book/a", doctree=object()) == []
    for name, value in GITHUB.items():
        monkeypatch.setenv(name, value)
    fork = "https://github.example/reader/fork"
    assert page_links("book/a", doctree=object()) == [
        fork, f"{fork}/edit/main/book/a.md", f"{fork}/issues/new",
    ]
    # A page without a source cannot be edited.
    assert page_links("search", doctree=None) == [fork, f"{fork}/issues/new"]


def page_links(page: str, doctree) -> list[str]:
    """Where the links in a page's header lead."""
    context: dict = {"page_links": [], "page_source_suffix": ".md"}
    hosting.add_links(None, page, "page.html", context, doctree)
    assert all(link["text"] for link in context["page_links"])
    return [link["url"] for link in context["page_links"]]


def test_the_settings_name_no_repository():
    """Its address comes from the environment alone."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    # The documentation of other projects.
    del config["sphinx"]["config"]["intersphinx_mapping"]
    assert "://" not in yaml.safe_dump(config)


# Kernels


def test_kernels_write_below_the_build_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTENSOR_FLAGS", "floatX=float64")
    env = kernels.environment(tmp_path / "a folder")
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
        assert Path(env[name]).is_relative_to(tmp_path)
        assert Path(env[name]).is_dir()
    assert env["PYTENSOR_FLAGS"].split(",")[0] == "floatX=float64"
    assert f"base_compiledir={tmp_path}" in env["PYTENSOR_FLAGS"]


def notebook_of(source: str):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])


def test_the_kernel_is_this_python(tmp_path, monkeypatch):
    """And not another of the same name that the reader has installed."""
    for variable in ("JUPYTER_PATH", "JUPYTER_DATA_DIR"):
        spec = tmp_path / variable / "kernels" / "python3" / "kernel.json"
        spec.parent.mkdir(parents=True)
        about = {"argv": ["no-such-python"], "display_name": "x", "language": "python"}
        spec.write_text(json.dumps(about), encoding="utf-8")
        monkeypatch.setenv(variable, str(tmp_path / variable))
    notebook = notebook_of("import os, sys; print(sys.executable, os.environ['BOOK'])")
    env = {**os.environ, "IPYTHONDIR": str(tmp_path), "BOOK": "here"}
    result = kernels.run(notebook, tmp_path, env)
    assert result.err is None
    assert notebook.cells[0].outputs[0].text.split() == [sys.executable, "here"]


def test_a_cell_that_fails_ends_the_run_and_the_kernel(tmp_path):
    notebook = notebook_of("import os; print(os.getpid(), flush=True); 1 / 0")
    env = {**os.environ, "IPYTHONDIR": str(tmp_path)}
    result = kernels.run(notebook, tmp_path, env)
    assert "ZeroDivisionError" in str(result.err)
    assert "1 / 0" in kernels.failure(notebook)
    assert not psutil.pid_exists(int(notebook.cells[0].outputs[0].text))


def test_a_failure_names_the_cell_and_its_traceback():
    trace = ["\x1b[31mValueError\x1b[0m: no"]
    error = nbformat.v4.new_output(
        "error", ename="ValueError", evalue="no", traceback=trace
    )
    cells = [
        nbformat.v4.new_code_cell("x = 1"),
        nbformat.v4.new_markdown_cell("prose"),
        nbformat.v4.new_code_cell("raise ValueError('no')", outputs=[error]),
    ]
    account = kernels.failure(nbformat.v4.new_notebook(cells=cells))
    assert account.startswith("code cell 2 of 2:")
    assert "    raise ValueError('no')" in account
    assert account.endswith("ValueError: no")


# Cards and formulae


def test_a_card_becomes_a_section_with_its_columns():
    (file, *_) = sorted((ROOT / "data").glob("*.yml"))
    name = file.stem
    card = data_cards.yaml.safe_load(file.read_text(encoding="utf-8"))
    text = data_cards.body(name, card)
    for column in card["columns"]:
        assert f"| `{column['name']}` |" in text
    assert f"datasets.load_{name}()" in text
    assert f"{{download}}`{name}.csv </data/{name}.csv>`" in text
    assert data_cards.label(name) == "data-" + name.replace("_", "-")


@pytest.fixture(scope="module")
def katex():
    yield mathematics.render
    mathematics.close(None, None)


def test_a_formula_is_set_for_the_eye_and_for_a_screen_reader(katex):
    html = katex(r"\theta_j \sim \mathrm{N}(\mu, \tau)", False)
    assert "<math" in html and 'class="katex-html" aria-hidden="true"' in html
    assert "<script" not in html


def test_a_formula_that_cannot_be_set_fails_the_build(katex):
    with pytest.raises(ValueError, match=r"nosuch"):
        katex(r"\nosuch{x}", True)


# Explorables


@pytest.mark.parametrize("name", explorable.names())
def test_an_explorable_has_a_module_and_data_for_it(name):
    module = explorable.MODULES / f"{name}.js"
    assert f'customElements.define("{name}"' in module.read_text(encoding="utf-8")
    assert json.loads(json.dumps(explorable.data(name)))


# Live cells


def _cell(*parts: str) -> nodes.container:
    cell = nodes.container(nb_element="cell_code")
    cell.extend(nodes.container(nb_element=part) for part in parts)
    return cell


def test_only_cells_that_show_their_code_are_live():
    document = new_document("page")
    shown = _cell("cell_code_source", "cell_code_output")
    document += [shown, _cell("cell_code_output")]
    assert list(cells.shown(document)) == [shown]


def test_each_part_is_set_up_once():
    assert len(set(_sphinx.PARTS)) == len(_sphinx.PARTS)


@pytest.mark.slow
def test_a_build_that_runs_nothing_imports_no_library_of_the_chapters():
    heavy = {"arviz", "matplotlib", "pandas", "pymc", "scipy"}
    code = f"import _sphinx, sys; print(*{heavy!r} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "book")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []
