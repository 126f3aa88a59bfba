"""Code that is marked only where a mark gives it a colour.

Pygments would mark every name, sign and space. A page has a colour for five kinds of
words; the style sheet gives it to these classes, which are Pygments' own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pygments.formatters import HtmlFormatter
from pygments.token import Comment, Keyword, Number, Operator, String, Text

#: Tokens of these kinds get the class of the token beside it.
KINDS = (
    (Comment, Comment.Single),
    (Keyword, Keyword),
    (Operator.Word, Keyword),
    (String, String.Double),
    (Number, Number.Integer),
)


class CoarseHtmlFormatter(HtmlFormatter):
    """Pygments' formatter, with five classes."""

    def format_unencoded(self, tokensource, outfile):
        super().format_unencoded(coarse(tokensource), outfile)


def coarse(tokens: Iterable[tuple]) -> Iterator[tuple]:
    """The tokens, each with its kind or with none."""
    for token, text in tokens:
        kinds = (mark for kind, mark in KINDS if token in kind)
        yield next(kinds, Text), text
