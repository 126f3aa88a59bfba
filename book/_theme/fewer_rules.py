"""A style sheet without the rules that no page needs.

A rule stays if every class, id, element and attribute that one of its selectors names
occurs somewhere: on a page, or as a word of a script, which may put it there later. So
a rule may stay too long, and none goes too early.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
import re

import tinycss2
from tinycss2.ast import FunctionBlock, LiteralToken, SquareBracketsBlock

#: Holds rules of its own.
NESTED = {"media", "supports", "layer", "container"}
#: Any of what stands inside is enough for these.
ANY = {"is", "where", "has", "matches", "-webkit-any", "-moz-any"}
_AT = re.compile(
    r"@(?:[-\w]*keyframes[^{}]*\{(?:[^{}]*\{[^{}]*\})*\}|font-face\{[^{}]*\})"
)
_VARIABLE = re.compile(r"--[\w-]+")


class _Names(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found: set[str] = set()

    def set_cdata_mode(self, *arguments, **options):
        """Nothing is swallowed: tags come one by one, without what they hold."""

    def handle_starttag(self, tag, attributes):
        self.found.add(tag)
        for name, value in attributes:
            self.found.add(name)
            if value and name in ("class", "id"):
                self.found.update(value.split())


def names(pages: Iterable[str], scripts: Iterable[str]) -> set[str]:
    """Whatever a selector could name: of pages, and every word of the scripts."""
    parser = _Names()
    # Each tag once: a page repeats the same few tags thousands of times.
    tags = {tag for page in pages for tag in re.findall(r"<[a-zA-Z][^<>]*>", page)}
    for tag in sorted(tags):
        parser.feed(tag)
    words = {word for text in scripts for word in re.findall(r"[A-Za-z_][\w-]*", text)}
    return parser.found | words


def purge(style_sheet: str, used: set[str], variables: str = "") -> str:
    """What of a style sheet can apply where only these names are used.

    ``variables`` is text besides the style sheet (pages and scripts) in which custom
    properties are read.

    Raises
    ------
    ValueError
        If nothing is left, or nothing can go: then the names, or the style sheet, are
        not what they were thought to be.
    """
    rules = tinycss2.parse_stylesheet(
        style_sheet, skip_comments=True, skip_whitespace=True
    )
    if errors := [rule.message for rule in rules if rule.type == "error"]:
        raise ValueError(f"not CSS: {errors[0]}")
    text = _without_unread("".join(_kept(rules, used)), variables)
    text = _AT.sub(lambda m: "" if _idle(m[0], text) else m[0], text)
    if not 0 < len(text) < len(_tight(style_sheet)):
        raise ValueError(f"{len(text)} of {len(style_sheet)} characters stay")
    return text


def _kept(rules, used: set[str]) -> Iterator[str]:
    for rule in rules:
        if rule.type == "qualified-rule":
            stay = [s for s in _selectors(rule.prelude) if _possible(s, used)]
            if stay:
                selectors = ",".join(_tight(tinycss2.serialize(s)) for s in stay)
                yield f"{selectors}{{{_declarations(rule.content)}}}"
        elif rule.type == "at-rule" and rule.at_keyword in NESTED and rule.content:
            inner = tinycss2.parse_rule_list(
                rule.content, skip_comments=True, skip_whitespace=True
            )
            if text := "".join(_kept(inner, used)):
                condition = _tight(tinycss2.serialize(rule.prelude))
                yield f"@{rule.at_keyword} {condition}{{{text}}}"
        elif rule.type == "at-rule" and rule.at_keyword != "charset":
            yield _tight(rule.serialize())


def _selectors(prelude) -> Iterator[list]:
    one: list = []
    for token in prelude:
        if token == "," and isinstance(token, LiteralToken):
            yield one
            one = []
        elif token.type != "comment":
            one.append(token)
    yield one


def _possible(selector: list, used: set[str]) -> bool:
    """Whether all that a selector names occurs."""
    before = None
    for token in selector:
        if isinstance(token, FunctionBlock):
            inside = _selectors(token.arguments)
            if token.lower_name in ANY and not any(_possible(s, used) for s in inside):
                return False
        elif isinstance(token, SquareBracketsBlock):
            attribute = next(t for t in token.content if t.type == "ident")
            if attribute.value not in used:
                return False
        elif token.type == "hash" and token.value not in used:
            return False
        elif token.type == "ident" and before != ":":
            if token.value not in used and token.value != "from":
                return False
        before = token.value if isinstance(token, LiteralToken) else None
    return True


def _declarations(content) -> str:
    return _tight(tinycss2.serialize(content)).rstrip(";")


def _tight(css: str) -> str:
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.S)
    return re.sub(r"\s*([{};,])\s*|\s+", lambda m: m.group(1) or " ", css).strip()


def _idle(rule: str, text: str) -> bool:
    """Whether this is an animation or a font that nothing asks for."""
    if found := re.match(r"@(?:-webkit-)?keyframes ([\w-]+)", rule):
        return not re.search(rf"animation[^;}}]*[\s:,]{found[1]}\b", text)
    if rule.startswith("@font-face"):
        family = re.search(r"font-family:\s*[\"']?([^;\"'}]+)", rule)[1].strip()
        family = family.replace("\\", "")
        rules = re.sub(r"@font-face\{[^}]*\}", "", text).replace("\\", "")
        return family not in rules
    return False


def _without_unread(text: str, elsewhere: str) -> str:
    """Without the custom properties that nobody reads; again, until all are read."""
    other = set(_VARIABLE.findall(elsewhere))
    while True:
        read = other | set(re.findall(r"var\(\s*(--[\w-]+)", text))
        shorter = re.sub(
            r"(?<=[{;])(--[\w-]+):(?:[^;{}\"']|\"[^\"]*\"|'[^']*')*(?:;|(?=\}))",
            lambda m: m.group(0) if m.group(1) in read else "",
            text,
        )
        shorter = re.sub(r"(?<=[{}])[^{}@]+\{\}", "", shorter)
        if shorter == text:
            return text
        text = shorter
