"""What can be read of an HTML mail. Pure.

The parsers of others take minutes for tags that are nested a hundred thousand deep or never closed
(lexbor, html.parser); a text needs no tree, and one walk over the tags is enough.
"""

from __future__ import annotations

import html
import re

# Where a line begins and ends.
_LINES = frozenset((
    "address", "article", "aside", "blockquote", "body", "br", "caption", "center", "dd", "div",
    "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4",
    "h5", "h6", "header", "hr", "html", "legend", "li", "main", "nav", "ol", "p", "pre",
    "section", "summary", "table", "tbody", "tfoot", "thead", "title", "tr", "ul",
))  # fmt: skip
_CELLS = frozenset(("td", "th"))
# What is not shown, to its end tag.
_HIDDEN = ("script", "style", "head", "template", "noscript", "textarea")
_TAG = re.compile(r"/?([a-zA-Z][a-zA-Z0-9]*)")
_BLANKS = re.compile(r"[^\S\n]+")
_EMPTY_LINES = re.compile(r"\n(?:\s*\n)+")


def text_of_html(source: str) -> str:
    """Its text: paragraphs, headings, items and rows on lines of their own, cells with blanks
    between them."""
    found: list[str] = []
    lower = source.lower()
    if len(lower) != len(source):  # a letter whose small form is two: places would not fit
        source = lower
    at, size = 0, len(source)
    while at < size:
        opening = source.find("<", at)
        if opening < 0:
            found.append(_said(source[at:]))
            break
        found.append(_said(source[at:opening]))
        if source.startswith("<!--", opening):
            end = source.find("-->", opening + 4)
            at = size if end < 0 else end + 3
            continue
        tag = _TAG.match(source, opening + 1)
        if tag is None and source[opening + 1 : opening + 2] not in ("!", "?", "/"):
            found.append("<")  # "a < b"
            at = opening + 1
            continue
        end = source.find(">", opening)
        if end < 0:
            if tag is None:
                break
            found.append(_said(source[opening:]))
            break
        at = end + 1
        if tag is None:
            continue
        name = tag[1].lower()
        if name in _HIDDEN and tag[0][0] != "/":
            closing = lower.find(f"</{name}", at)
            # An end that is missing hides what follows, except of a head, which needs none.
            at = closing if closing >= 0 else at if name == "head" else size
        elif name in _LINES:
            found.append("\n- " if name == "li" and tag[0][0] != "/" else "\n")
        elif name in _CELLS:
            found.append(" \t")
    lines = (_BLANKS.sub(" ", line).strip() for line in "".join(found).split("\n"))
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip()


def _said(text: str) -> str:
    """Text between tags: a line's end in it is a blank."""
    try:
        plain = html.unescape(text)
    except ValueError:  # a reference of thousands of digits
        plain = text
    return " ".join(re.split(r"\s", plain)) if plain else ""
