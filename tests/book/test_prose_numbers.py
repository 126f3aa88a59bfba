"""No number in the prose that is not glued, cited, or listed with its reason.

``prose_numbers.yml`` lists the numbers that are definitions: the words around
each, as they stand in the prose, and why it may be typed; page by page, and first,
as regular expressions, the kinds that any page may have.
"""

from __future__ import annotations

import ast
from pathlib import Path
import re
from typing import NamedTuple

import pytest
import yaml

import chapters

LIST = Path(__file__).with_name("prose_numbers.yml")
ALLOWED = yaml.safe_load(LIST.read_text(encoding="utf-8"))
KINDS = ALLOWED.pop("any page")
PAGES = chapters.pages()
NOTEBOOKS = chapters.notebooks()
# Digits inside a name, as in PyMC3, are not a number.
NUMBER = re.compile(r"(?<![A-Za-z\d])\d+(?:[.,]\d+)*")


class Finding(NamedTuple):
    """A number in the prose, and the words around it."""

    number: str
    words: str


def plain(text: str) -> str:
    return " ".join(text.split())


def typed_numbers(text: str, allowed: list[str]) -> list[Finding]:
    """The numbers of a Markdown text outside of the allowed words."""
    text = plain(chapters.prose(text))
    patterns = [re.escape(plain(words)) for words in allowed]
    patterns += [kind["pattern"] for kind in KINDS]
    covered = [m.span() for pattern in patterns for m in re.finditer(pattern, text)]
    return [
        Finding(match.group(), text[max(0, match.start() - 40) : match.end() + 20])
        for match in NUMBER.finditer(text)
        if not any(a <= match.start() and match.end() <= b for a, b in covered)
    ]


def allowed(page: str) -> list[str]:
    return [entry["text"] for entry in ALLOWED.get(page, [])]


@pytest.mark.parametrize("page", PAGES)
def test_every_number_in_the_prose_is_glued(page):
    found = [
        finding
        for text in chapters.texts(page)
        for finding in typed_numbers(text, allowed(page))
    ]
    assert not found, (
        f"{page}.md types these numbers; glue each, or say in {LIST.name} why it is "
        "a definition:\n" + "\n".join(f"  {f.number}: …{f.words}…" for f in found)
    )


@pytest.mark.parametrize("page", sorted(ALLOWED))
def test_every_exception_is_needed_and_says_why(page):
    assert page in PAGES, f"{LIST.name} lists {page}, which is no page of the book"
    for entry in ALLOWED[page]:
        assert set(entry) == {"text", "reason"} and entry["reason"].strip(), entry
        others = [words for words in allowed(page) if words != entry["text"]]
        assert any(typed_numbers(text, others) for text in chapters.texts(page)), (
            f"{page}.md has no more need of {entry['text']!r}: take it off {LIST.name}"
        )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind["pattern"])
def test_every_kind_of_exception_is_needed_and_says_why(kind):
    assert set(kind) == {"pattern", "reason"} and kind["reason"].strip()
    texts = [plain(chapters.prose(t)) for page in PAGES for t in chapters.texts(page)]
    assert any(re.search(kind["pattern"], text) for text in texts)


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_every_key_that_the_prose_asks_for_is_glued(page, glued):
    missing = chapters.glue_keys(page) - set(glued(page.removeprefix("book/")))
    assert not missing, f"{page}.md asks for {sorted(missing)}, which no cell glues"


def strings(source: str) -> re.Pattern:
    """Matches what a program's strings can be, an f-string with anything filled in."""
    patterns = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            parts = [getattr(part, "value", None) for part in node.values]
            texts = [part if isinstance(part, str) else None for part in parts]
            # Not one that could be any string.
            if sum(map(len, filter(None, texts))) > 2:
                filled = (".+" if text is None else re.escape(text) for text in texts)
                patterns.add("".join(filled))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            patterns.add(re.escape(node.value))
    return re.compile("|".join(patterns) or "(?!)")


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_every_glued_number_is_used(page, glued):
    """In the prose, or at least by the chapter's own test."""
    file = Path(__file__).with_name(f"test_{page.split('/')[-1].replace('-', '_')}.py")
    tested = strings(file.read_text(encoding="utf-8") if file.exists() else "")
    unused = [
        key
        for key in glued(page.removeprefix("book/"))
        if key not in chapters.glue_keys(page) and not tested.fullmatch(key)
    ]
    assert not unused, f"{page}.md glues {unused} and uses none of them"


@pytest.mark.parametrize(
    "text",
    [
        "The mean is 3.2 points.",
        "| county | 12 |\n|---|---|\n| x | y |",
        "See {ref}`the 3 rules <chap-radon>` again.",
        ":::{admonition} After 200 draws\n:class: predict\nbody\n:::",
        "```{note}\nAbout 5 of them.\n```",
        "$x$ is 4 and $y$ is not.",
        "Half of −0.5 is small.",
        "```\ncode\n```\nand 7 after it",
        "1. The first has 9 houses.",
    ],
)
def test_a_typed_number_is_found(text):
    assert typed_numbers(text, [])


@pytest.mark.parametrize(
    "text",
    [
        "The mean is {glue:text}`radon-mean-2` points, {cite:p}`gelman2006prior`.",
        "See {numref}`fig-2`, {eq}`eq-1`, [here](https://example.org/2020/1.html).",
        "Take `np.arange(3)` or ``x = `2` ``, with $\\tau = 0.5$.",
        "$$\n\\mathrm{N}(0, 5)\n$$ (eq-5)",
        "```python\nx = 1\n```",
        ":::{exercise-start}\n:label: ex-radon-1\n:::\nWhy?\n:::{exercise-end}\n:::",
        ":::{solution-start} ex-radon-1\n:label: sol-1\n:::\nSo.",
        "1. one\n2. two",
        "(chap-1)=\n# Title",
        "As in PyMC3 and Dyestuff2.",
        "```{math}\n:label: eq-1\nx = 1\n```",
    ],
)
def test_what_is_not_typed_is_left_alone(text):
    assert not typed_numbers(text, [])


def test_an_exception_covers_its_own_words_alone():
    text = "The action level is 4 pCi/L. The mean is 4."
    (left,) = typed_numbers(text, ["action level is 4 pCi/L"])
    assert left.words.endswith("The mean is 4.")


def test_a_key_is_used_as_it_stands_or_filled_in():
    used = strings("a = 'radon-tau'; b = f'radon-{name}-sd'; c = f'{x}-{y}'")
    for key in ("radon-tau", "radon-mu-sd"):
        assert used.fullmatch(key)
    for key in ("radon-mu", "radon-tau-2", "other-sd"):
        assert not used.fullmatch(key)
