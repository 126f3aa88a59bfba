"""The page of each part comes first, and lists the chapters in their order."""

from __future__ import annotations

import re

import pytest
import yaml

import chapters

PARTS = [
    [chapter["file"] for chapter in part["chapters"]]
    for part in yaml.safe_load((chapters.ROOT / "_toc.yml").read_text("utf-8"))["parts"]
    if part["caption"] != "Reference"
]


def label(page: str) -> str:
    """The label above a page's title."""
    text = (chapters.ROOT / f"{page}.md").read_text(encoding="utf-8")
    return re.search(r"^\((\S+)\)=\n# ", text, re.M)[1]


@pytest.mark.parametrize("pages", PARTS, ids=lambda pages: pages[0])
def test_the_page_of_a_part_lists_its_chapters_in_order(pages):
    first, *others = pages
    assert first.endswith("/index")
    text = (chapters.ROOT / f"{first}.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\d\. \{ref\}`(\S+)`:", text, re.M)
    assert listed == [label(page) for page in others]


def test_the_front_page_leads_to_every_part():
    text = (chapters.ROOT / "book" / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^- \{ref\}`(part-\S+)`", text, re.M)
    assert listed == [label(pages[0]) for pages in PARTS]
