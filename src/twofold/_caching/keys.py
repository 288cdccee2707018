"""The keys of cached answers."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from string import Formatter, ascii_letters, digits
from typing import Any, Final

from .._definitions.cache import Cache
from .._definitions.message import Event, Message, Query
from .._encoding.result_types import answers_of
from .key_values import Read, formatted, has_one_type, percent_encoded, text_of_query, value_of_event

_OF_FIELDS: Final = frozenset(f"{ascii_letters}{digits}_.-~%")
"""The characters of a field's value in a key."""


class KeyFormat:
    """Formats the key of a message: a text with the fields of the message in braces.

    The value of a field is percent-encoded, so that it cannot be mistaken for the text between two fields. Equal values
    are written alike, so that the event that changes an answer finds its key.

    Attributes:
        mixed: the fields that can hold equal values, or values with equal texts, of several types; often none.

    Args:
        text: the text.
        reads: for each field, the conversion of its value; None if the value is written unchanged.
        mixed: see above.
    """

    def __init__(self, text: str, reads: Sequence[Read | None] = (), mixed: Sequence[str] = ()) -> None:
        self.mixed = mixed
        found = iter([*reads, *[None] * len(fields_of(text))])
        self._parts = [
            (literal, name or "", spec or "", next(found) if name is not None else None)
            for literal, name, spec, _ in Formatter().parse(text)
        ]

    def of(self, message: Message) -> str:
        """Return the key of a message. A value that does not fit its format raises the error of its type.

        Raises:
            Ambiguous: a text stands for a value that events write in another way.
        """
        fields, key = vars(message), ""
        for literal, name, spec, read in self._parts:
            key += literal
            if name:
                value = fields[name] if read is None else read(fields[name])
                key += formatted(value, spec) if spec else percent_encoded(value)
        return key

    def types_in(self, message: Message) -> str:
        """Return what distinguishes messages with the same key: the types of values such as 1, True and "1".

        An event invalidates the answers of all of them.
        """
        return ",".join(percent_encoded(vars(message)[name], typed=True) for name in self.mixed)


def key_of_query(query_type: type[Query[Any]], cache: Cache) -> KeyFormat:
    """Return the format of the keys of a query."""
    mine = _annotations(query_type, cache.key)
    theirs = [_annotations(event_type, key) for event_type, key in cache.invalidated_by.items()]
    pairs = enumerate(zip(mine, fields_of(cache.key), strict=True))
    reads = [
        None if spec else text_of_query(one, [each[index] for each in theirs if len(each) == len(mine)])
        for index, (one, (_, spec, _)) in pairs
    ]
    found = zip(fields_of(cache.key), mine, strict=True)
    mixed = [name for (name, spec, _), annotation in found if not spec and not has_one_type(annotation)]
    return KeyFormat(cache.key, reads, mixed)


def key_of_event(query_type: type[Query[Any]], cache: Cache, event_type: type[Event]) -> KeyFormat:
    """Return the format of the keys of a query that an event invalidates."""
    key = cache.invalidated_by[event_type]
    mine, theirs = _annotations(event_type, key), _annotations(query_type, cache.key)
    if len(mine) != len(theirs):
        return KeyFormat(key)
    return KeyFormat(key, [value_of_event(one, other) for one, other in zip(mine, theirs, strict=True)])


def _annotations(message_type: type[Message], key: str) -> list[Any]:
    return [message_type.model_fields[name].annotation for name, _, _ in fields_of(key)]


def fields_of(key: str) -> list[tuple[str, str, str | None]]:
    """Return the field names in the braces of a key, each with its format and its conversion.

    Raises:
        ValueError: the braces do not match.
    """
    return [(name, spec or "", conversion) for _, name, spec, conversion in Formatter().parse(key) if name is not None]


def shape_of_key(text: str) -> list[str | None]:
    """Return the characters of a key, with None for each field.

    Raises:
        ValueError: the braces do not match.
    """
    shape: list[str | None] = []
    for literal, name, _, _ in Formatter().parse(text):
        shape += [*literal, *([] if name is None else [None])]
    return shape


def can_match(one: Sequence[str | None], other: Sequence[str | None]) -> bool:
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
