"""The encoding of a view: the bytes that its fields are compared by, and the members of its rows in the indexes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from twofold import RowCodec, View
from twofold.errors import NotStorable
from twofold.ports import RowChange, field_type

from .._server.ordered_bytes import END, Encode, after, bare_text, encoding_of, optional, text

V = TypeVar("V", bound=View)


@dataclass(frozen=True, slots=True)
class Column:
    """A field that rows are compared by.

    Attributes:
        field: the name of the field.
        kind: the name of the encoding.
        optional: whether the value may be None.
        encode: encodes a value as bytes.
    """

    field: str
    kind: str
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
        """Return the end of all members with a prefix of this number of columns; None if there are no such members."""
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

    def written(self, change: RowChange[V], bare_key: bytes) -> tuple[bytes, bytes]:
        """Return the JSON text of a changed row, and its packed members of the indexes. Both are empty for a deleted row.

        Raises:
            NotStorable: the row cannot be encoded.
        """
        row, text = change.row, (self.codec.text_of(change) or "").encode()
        if row is None:
            return b"", b""
        try:
            return text, packed(self.members(row, bare_key))
        except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
            raise self._unwritable(row.key, self._unwritable_field(row), error) from error

    def _unwritable_field(self, row: V) -> str:
        """Return the field of a row that cannot be encoded for an index."""
        for field, column in self.columns.items():
            try:
                column.encode(getattr(row, field))
            except (ValueError, TypeError, AttributeError, ArithmeticError):
                return field
        return "?"

    def _unwritable(self, key: object, field: str, error: Exception) -> NotStorable:
        return NotStorable(
            f"cannot store {self.view.__qualname__} {key!r:.100} in its indexes: the field {field!r} does not fit: {error}. "
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
    cls, may_be_none, _ = field_type(view, name)
    found = encoding_of(cls) if isinstance(cls, type) else None
    if found is None:
        return None
    kind, encode = found
    return Column(name, kind, may_be_none, optional(encode) if may_be_none else encode)


def _any_key(view: type[View]) -> Column:
    """Return the column for a key whose type has no ordered encoding. The key is encoded as its JSON text."""
    annotation: Any = view.model_fields[view.view_key].annotation
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)

    def encode(value: Any) -> bytes:
        return text(adapter.dump_json(value).decode())

    return Column(view.view_key, "json", False, encode)


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
