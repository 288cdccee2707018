"""The docs quote errors and log texts that exist, so that a reader can search for what the program says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("docs/troubleshooting.md", "docs/how-to/workers.md")

_HEADING = re.compile(r"^### .*", re.MULTILINE)
_CODE = re.compile(r"^```.*?^```|^    .*?$|`[^`]*`", re.MULTILINE | re.DOTALL)
_ITALICS = re.compile(r"(?<![*\w])\*([^*]+)\*(?![*\w])")

_OF_OTHERS = ("The asyncio extension requires an async driver", "No module named 'psycopg'")
"""The texts that libraries below Twofold raise."""

_VALUES = re.compile(
    r"…|: |\b[A-Z]\w*\b|\b\w+-\d+\b|\d+|'\w+'|\[\]|@\w+|\border_list\b|\borders?\b"
    r"|\b(?:command|query|event|a view|an aggregate)\b"
)
"""The placeholders of a value: an ellipsis, a class, an id, a number, a name, a kind.

A text may also end in another text.
"""


@cache
def source() -> str:
    """Return the texts of the source without docstrings, with a NUL for each value."""
    texts: list[str] = []
    for folder in ("src/twofold", "adapters"):
        for path in (ROOT / folder).rglob("*.py"):
            texts.extend(_texts(ast.parse(path.read_text())))
    return "\n".join(texts)


def _texts(tree: ast.AST) -> Iterator[str]:
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(each.value) if isinstance(each, ast.Constant) else "\0" for each in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield re.sub(r"%[.\d]*[a-z]", "\0", node.value)


def quoted(page: str) -> Iterator[str]:
    """Yield the parts between the values of each text that a page quotes: as code in headings, in italics elsewhere."""
    read = (ROOT / page).read_text()
    codes = [text for heading in _HEADING.findall(read) for text in re.findall(r"`([^`]+)`", heading)]
    italics = [" ".join(text.split()) for text in _ITALICS.findall(_CODE.sub("", read))]
    for text in [*codes, *(each for each in italics if each not in _OF_OTHERS)]:
        for part in _VALUES.split(text):
            if len(part.strip(" `,.'")) > 7 and "(" not in part:
                yield part.strip(" `,.'")


@pytest.mark.parametrize("part", sorted({part for page in PAGES for part in quoted(page)}))
def test_a_quoted_text_is_in_the_source(part: str) -> None:
    """A part of a quoted text is a part of a text in the source."""
    assert part in source()
