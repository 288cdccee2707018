"""The keys of cached answers."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from string import Formatter, ascii_letters, digits
from typing import Any, Final
from urllib.parse import quote

from .._definitions.message import Message, Query
from .._encoding.answer_types import answers_of

_OF_FIELDS: Final = frozenset(f"{ascii_letters}{digits}_.-~%")
"""The characters of a field's value in a key."""


class KeyFormat:
    """Formats the key of a message: a text with the fields of the message in braces.

    The value of a field is percent-encoded, so that it cannot be mistaken for the text between two fields.
    """

    def __init__(self, text: str) -> None:
        self._parts = [(literal, name or "", spec or "") for literal, name, spec, _ in Formatter().parse(text)]

    def of(self, message: Message) -> str:
        """Return the key of a message. A value that does not fit its format raises the error of its type."""
        fields = vars(message)
        return "".join(
            literal + (quote(format(fields[name], spec), safe="", errors="surrogatepass") if name else "")
            for literal, name, spec in self._parts
        )


def shape_of_key(text: str) -> list[str | None]:
    """Return the characters of a key, with None for each field.

    Raises:
        ValueError: the braces do not match.
    """
    shape: list[str | None] = []
    for literal, name, _, _ in Formatter().parse(text):
        shape += [*literal, *([] if name is None else [None])]
    return shape


def can_meet(one: Sequence[str | None], other: Sequence[str | None]) -> bool:
    """Return whether two keys can be equal for some values of their fields, which consist of letters, digits and `_.-~%`."""
    meets = {(0, 0)}
    for place in ((i, j) for i in range(len(one) + 1) for j in range(len(other) + 1)):
        if place not in meets:
            continue
        i, j = place
        left, right = one[i] if i < len(one) else "", other[j] if j < len(other) else ""
        if left is None:
            meets.add((i + 1, j))
        if right is None:
            meets.add((i, j + 1))
        if left and (left == right):
            meets.add((i + 1, j + 1))
        if left is None and right and right in _OF_FIELDS:
            meets.add((i, j + 1))
        if right is None and left and left in _OF_FIELDS:
            meets.add((i + 1, j))
    return (len(one), len(other)) in meets


def cacheable(query_type: type[Query[Any]]) -> bool:
    """Return whether the answers of a query have JSON."""
    try:
        answers_of(query_type).adapter.json_schema()
    except Exception:  # noqa: BLE001 -- pydantic raises errors of many classes for an unsupported type
        return False
    return True


def shape_of(query_type: type[Query[Any]]) -> str:
    """Return a hash that identifies a query and the schema of its answers."""
    name = query_type.message_name or f"{query_type.__module__}.{query_type.__qualname__}"
    schema = answers_of(query_type).adapter.json_schema()
    return sha256(f"{name} {schema}".encode()).hexdigest()[:12]
