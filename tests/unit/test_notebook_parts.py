"""How a page becomes a notebook, piece by piece."""

from docutils import nodes
import pytest

from _sphinx.downloads import notebooks
from _sphinx.downloads.markdown import Markdown, formula
from _sphinx.web import hosting


def markdown(address=None) -> Markdown:
    return Markdown(lambda node: address)


def paragraph(*children) -> nodes.paragraph:
    texts = (nodes.Text(c) if isinstance(c, str) else c for c in children)
    return nodes.paragraph("", "", *texts)


def test_words_are_set_as_they_were_and_nothing_else_is():
    node = paragraph(
        "A 5*3 a_b <x> costs $2\nof ",
        nodes.emphasis("", "all"),
        ", ",
        nodes.strong("", "bold"),
        ", ",
        nodes.math("", "\\tau\n> 0"),
        " and ",
        nodes.literal("", "a `b`"),
        ".",
    )
    assert markdown().block(node) == (
        r"A 5\*3 a\_b &lt;x> costs \$2 of *all*, **bold**, $\tau > 0$ and `` a `b` ``."
    )


@pytest.mark.parametrize(
    ("text", "set_as"),
    [("1. x", r"1\. x"), ("- x", r"\- x"), ("# x", r"\# x"), ("1.5 x", "1.5 x")],
)
def test_a_paragraph_begins_no_list(text, set_as):
    assert markdown().block(paragraph(text)) == set_as


def test_a_link_is_one_where_it_leads_somewhere():
    link = nodes.reference("", "", nodes.Text("fits"), refuri="fits.html")
    assert markdown().block(paragraph("see ", link)) == "see fits"
    found = markdown("https://book.example/fits.html").block(paragraph(link))
    assert found == "[fits](https://book.example/fits.html)"


def test_formulae_keep_their_numbers_and_their_lines():
    assert formula(nodes.math_block("", "a = b\n\n", number=None)) == "$$\na = b\n$$"
    numbered = nodes.math_block("", "a = b", number=3, label="eq-x")
    assert formula(numbered) == "$$\na = b \\tag{3}\n$$"
    lines = nodes.math_block("", "a &= b \\\\\nc &= d", number=None)
    assert formula(lines).splitlines()[1] == "\\begin{aligned}"


def test_a_list_holds_its_paragraphs():
    items = [
        nodes.list_item("", paragraph("one"), paragraph("more")),
        nodes.list_item("", paragraph("two")),
    ]
    assert markdown().block(nodes.bullet_list("", *items)) == ("- one\n\n  more\n- two")
    assert markdown().block(nodes.enumerated_list("", *items, start=3)) == (
        "3. one\n\n   more\n4. two"
    )


def test_a_question_before_reading_on_is_a_quotation():
    node = nodes.admonition("", nodes.title("", "Before"), paragraph("why?"))
    node += nodes.math_block("", "a", number=None)
    assert markdown().block(node) == "> **Before.** why?\n>\n> $$\n> a\n> $$"


def test_a_table_has_a_head():
    def row(*texts):
        return nodes.row("", *(nodes.entry("", paragraph(text)) for text in texts))

    group = nodes.tgroup(
        "", nodes.thead("", row("a", "b")), nodes.tbody("", row("1", "2"))
    )
    assert markdown().block(nodes.table("", group)) == (
        "| a | b |\n| --- | --- |\n| 1 | 2 |"
    )


def test_what_has_no_markdown_fails_the_build():
    with pytest.raises(NotImplementedError, match="footnote"):
        markdown().block(nodes.footnote("", paragraph("x")))
    with pytest.raises(NotImplementedError, match="footnote_reference"):
        markdown().block(paragraph(nodes.footnote_reference()))


CELL = """\
pooling.exercises.expect(
    "ex-a-1",
    "it depends",
    p=pooling.exercises.answer(
        float(draws["p"]
              .mean()),
        "a probability",
    ),
    tau=pooling.exercises.answer(tau_hat, "a scale", slips={"no": tau_hat**2}),
)
"""


def test_a_solution_s_answers_are_its_own_expressions():
    import nbformat

    cells = [nbformat.v4.new_markdown_cell("x"), nbformat.v4.new_code_cell(CELL)]
    found = notebooks.expressions(nbformat.v4.new_notebook(cells=cells))
    assert list(found) == ["ex-a-1"] and list(found["ex-a-1"]) == ["p", "tau"]
    assert found["ex-a-1"]["tau"] == "tau_hat"
    value = eval(notebooks.assignable(found["ex-a-1"]["p"]), {"draws": {"p": Mean()}})
    assert value == 0.5


class Mean:
    def mean(self):
        return 0.5


@pytest.mark.parametrize("expression", ["a + b", "a\n+ b", "[a,\n b]", "f(a,\n  b)"])
def test_an_expression_stands_after_a_name(expression):
    compile(f"x = {notebooks.assignable(expression)}", "cell", "exec")


def test_a_blank_names_every_answer_and_gives_none():
    exercise = {
        "answers": {
            "tau": {"what": "the between-group sd " * 6, "value": 6.6},
            "risk": {"what": "risk", "entries": ["1", "30"], "value": [0.2, 0.9]},
        },
        "criteria": ["it depends"],
    }
    source = notebooks.answers_cell(exercise)
    names: dict = {}
    exec(source, names)
    assert (
        names["tau"] is ... and names["risk"] is ... and not names["in_words"].strip()
    )
    assert "# risk (in this order: 1, 30)" in source
    assert "6.6" not in source and "0.9" not in source and "depends" not in source
    assert max(map(len, source.splitlines())) <= notebooks.WIDTH
    assert "in_words" not in notebooks.answers_cell({**exercise, "criteria": []})


# Where the notebooks are

GITHUB = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "reader/fork",
    "GITHUB_REF_NAME": "main",
}


@pytest.mark.parametrize(
    ("environ", "github", "files"),
    [
        ({}, "", ""),
        (GITHUB, "reader/fork", "https://github.com/reader/fork/raw/notebooks"),
        (
            {**GITHUB, "BOOK_URL": "https://book.example/x"},
            "reader/fork",
            "https://book.example/x/notebooks",
        ),
        ({**GITHUB, "GITHUB_SERVER_URL": "https://git.example"}, "", ""),
        (
            {"BOOK_URL": "https://pages.example/b/"},
            "",
            "https://pages.example/b/notebooks",
        ),
    ],
)
def test_the_wheel_is_on_the_site_or_on_the_branch(environ, github, files):
    assert hosting.github(environ) == github
    assert hosting.files(environ) == files


class App:
    """As much of Sphinx as the header's buttons look at."""

    class env:
        sphinx_exercise_registry = {
            "ex-a-1": {"docname": "book/a/radon", "type": "exercise-start"},
            "sol-a-1": {"docname": "book/a/radon", "type": "solution-start"},
        }


def header(page: str) -> dict[str, list[dict]]:
    """The menu of downloads and the links in a page's header."""
    context: dict = {"downloads": [], "page_links": []}
    notebooks.add_buttons(App, page, "page.html", context, nodes.document(None, None))
    return context


def test_a_chapter_s_header_has_its_notebooks(monkeypatch):
    monkeypatch.delenv("GITHUB_SERVER_URL", raising=False)
    found = header("book/a/radon")["downloads"]
    assert [link["path"] for link in found] == [
        "notebooks/radon.ipynb",
        "notebooks/radon-solutions.ipynb",
        "course.zip",
    ]
    assert all(link["text"] for link in found)
    assert header("book/reference/fits") == {"downloads": [], "page_links": []}


def test_colab_opens_the_branch_where_there_is_one(monkeypatch):
    for name, value in GITHUB.items():
        monkeypatch.setenv(name, value)
    (colab,) = header("book/a/radon")["page_links"]
    path = "/github/reader/fork/blob/notebooks/radon.ipynb"
    assert colab["url"] == f"https://colab.research.google.com{path}"
    assert "Colab" in colab["text"]
