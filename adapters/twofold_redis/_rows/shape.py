"""The encoding of a view: the bytes that its fields are compared by, and the members of its rows in the indexes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin

from pydantic import TypeAdapter

from twofold import RowCodec, View
from twofold.errors import NotStorable

from .._server.ordered_bytes import END, SCALARS, Encode, after, bare_text, enumerated, optional, text

V = TypeVar("V", bound=View)


@dataclass(frozen=True, slots=True)
class Column:
    """A field that rows are compared by.

    Attributes:
        field: the name of the field.
        kind: the name of the encoding.
        accepts: the class of the values.
        optional: whether the value may be None.
        encode: encodes a value as bytes.
    """

    field: str
    kind: str
    accepts: type
    optional: bool
    encode: Encode


@dataclass(frozen=True, slots=True)
class Index:
    """A sorted set of rows by some columns, of which the last is the key.

    Attributes:
        columns: the columns.
        is_order: whether it is the index of the key alone, whose members are keys without an end.
    """

    columns: tuple[Column, ...]
    is_order: bool = False

    @property
    def name(self) -> str:
        """The name of the index."""
        return ",".join(column.field for column in self.columns[:-1])

    def encode(self, position: int, value: Any) -> bytes | None:
        """Return the encoded value of a column; None if no row can have the value."""
        column = self.columns[position]
        if value is None and not column.optional:
            return None
        if self.is_order and column.kind == "text":
            return bare_text(str(value))
        return column.encode(value)

    def end(self, prefix: bytes, columns: int) -> bytes | None:
        """Return the bytes after all members with a prefix of so many columns; None if there are none."""
        if columns == 0:
            return None
        return prefix + b"\x00" if self.is_order else after(prefix)


class Shape(Generic[V]):
    """The encoding of a view in this store.

    Args:
        view: the view.
    """

    def __init__(self, view: type[V]) -> None:
        self.view = view
        self.codec = RowCodec(view)
        self.columns = {name: found for name in view.model_fields if (found := _column(view, name)) is not None}
        self.key = self.columns.get(view.view_key) or _any_key(view)
        self.columns[view.view_key] = self.key
        self.order = Index((self.key,), is_order=True)
        self.indexes = tuple(_indexes(view, self.columns, self.key))
        self._ends = self.key.kind == "text"

    @property
    def tail(self) -> int:
        """The number of bytes after the key in a member of an index: the end of the key, and its length."""
        return (len(END) if self._ends else 0) + 4

    @property
    def layout(self) -> str:
        """A text that changes whenever stored keys or members would change."""
        indexes = (self.order, *self.indexes)
        return "; ".join(
            ",".join(f"{each.field}:{each.kind}{'?' if each.optional else ''}" for each in index.columns)
            for index in indexes
        )

    def bare_key(self, key: Any) -> bytes:
        """Return a key as the name of its row."""
        return bare_text(key) if self._ends else self.key.encode(key)

    def row_name(self, key: Any) -> bytes:
        """Return a key as the name of the row to write.

        Raises:
            NotStorable: the key cannot be encoded.
        """
        try:
            return self.bare_key(key)
        except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
            raise self._unwritable(key, self.key.field, error) from error

    def written(self, row: V, bare_key: bytes) -> tuple[bytes, bytes]:
        """Return the JSON text of a row, and its packed members of the indexes.

        Raises:
            NotStorable: the row cannot be encoded.
        """
        text = self.codec.encode(row).encode()
        try:
            return text, packed(self.members(row, bare_key))
        except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
            raise self._unwritable(row.key, self._culprit(row), error) from error

    def _culprit(self, row: V) -> str:
        """Return the field of a row that cannot be encoded for an index."""
        for field, column in self.columns.items():
            try:
                column.encode(getattr(row, field))
            except (ValueError, TypeError, AttributeError, ArithmeticError):
                return field
        return "?"

    def _unwritable(self, key: object, field: str, error: Exception) -> NotStorable:
        return NotStorable(
            f"cannot keep {self.view.__qualname__} {key!r:.100} in its indexes: the field {field!r} does not fit: {error}. "
            "Use a shorter number, or a text that is valid Unicode."
        )

    def members(self, row: V, bare_key: bytes) -> list[bytes]:
        """Return the members of a row, one for each index."""
        tail = bare_key + (END if self._ends else b"") + struct.pack(">I", len(bare_key))
        return [
            b"".join([column.encode(getattr(row, column.field)) for column in index.columns[:-1]]) + tail
            for index in self.indexes
        ]

    def member(self, index: Index, values: dict[str, Any]) -> bytes:
        """Return the member in an index of a row with these values, which include the key."""
        bare_key = self.bare_key(values[self.key.field])
        if index.is_order:
            return bare_key
        ahead = b"".join(column.encode(values[column.field]) for column in index.columns[:-1])
        return ahead + bare_key + (END if self._ends else b"") + struct.pack(">I", len(bare_key))


def packed(members: Sequence[bytes]) -> bytes:
    """Return members in one value, each after its length."""
    return b"".join([struct.pack(">I", len(each)) + each for each in members])


@cache
def shape_of(view: type[V]) -> Shape[V]:
    """Return the encoding of a view."""
    return Shape(view)


def _column(view: type[View], name: str) -> Column | None:
    annotation, may_be_none = _without_none(view.model_fields[name].annotation)
    if not isinstance(annotation, type):
        return None
    if issubclass(annotation, Enum):
        kind, encode = enumerated(annotation)
        return Column(name, f"enum {kind}", annotation, may_be_none, optional(encode) if may_be_none else encode)
    for scalar, kind, encode in SCALARS:
        if issubclass(annotation, scalar):
            return Column(name, kind, scalar, may_be_none, optional(encode) if may_be_none else encode)
    return None


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) is Annotated:
        return _without_none(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        inner = [argument for argument in get_args(annotation) if argument is not NoneType]
        if len(inner) == 1 and len(get_args(annotation)) == 2:
            return inner[0], True
    return annotation, False


def _any_key(view: type[View]) -> Column:
    """Return the column for a key whose type has no ordered encoding. The key is encoded as its JSON text."""
    annotation: Any = view.model_fields[view.view_key].annotation
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)

    def encode(value: Any) -> bytes:
        return text(adapter.dump_json(value).decode())

    return Column(view.view_key, "json", object, False, encode)


def _indexes(view: type[View], columns: dict[str, Column], key: Column) -> list[Index]:
    """Return the usable part of each index: the fields before the key and before a field without an ordered encoding."""
    found: dict[tuple[str, ...], Index] = {}
    for fields in view.view_indexes:
        useful: list[Column] = []
        for field in fields:
            if field == key.field or field not in columns:
                break
            useful.append(columns[field])
        if useful:
            found[tuple(each.field for each in useful)] = Index((*useful, key))
    return list(found.values())
