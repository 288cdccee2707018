"""What a view is to this store: how its fields are compared, and the members that a row has in its indexes."""

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
        field: its name.
        kind: what its encoding is called.
        accepts: the class of its values.
        optional: whether None is a value of it.
        encode: turns its values into bytes.
    """

    field: str
    kind: str
    accepts: type
    optional: bool
    encode: Encode


@dataclass(frozen=True, slots=True)
class Index:
    """A sorted set in which rows stand by some columns; the last one is the key.

    Attributes:
        columns: the columns.
        is_order: it is that of the key alone, whose members are the bare keys.
    """

    columns: tuple[Column, ...]
    is_order: bool = False

    @property
    def name(self) -> str:
        """What it is called."""
        return ",".join(column.field for column in self.columns[:-1])

    def encode(self, position: int, value: Any) -> bytes | None:
        """Return a value as it stands in one of the columns; None when no row can have it."""
        column = self.columns[position]
        if value is None and not column.optional:
            return None
        if self.is_order and column.kind == "text":
            return bare_text(str(value))
        return column.encode(value)

    def end(self, prefix: bytes, columns: int) -> bytes | None:
        """Return what comes behind all members that begin with so many whole columns; None when nothing does."""
        if columns == 0:
            return None
        return prefix + b"\x00" if self.is_order else after(prefix)


class Shape(Generic[V]):
    """A view as this store keeps it.

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
        """How many bytes follow the key in a member of an index: its end, and how long it is."""
        return (len(END) if self._ends else 0) + 4

    @property
    def layout(self) -> str:
        """What stored keys and members depend on."""
        indexes = (self.order, *self.indexes)
        return "; ".join(
            ",".join(f"{each.field}:{each.kind}{'?' if each.optional else ''}" for each in index.columns)
            for index in indexes
        )

    def bare_key(self, key: Any) -> bytes:
        """Return a key as the name of its row."""
        return bare_text(key) if self._ends else self.key.encode(key)

    def row_name(self, key: Any) -> bytes:
        """Return a key as the name of the row that it is to be written to.

        Raises:
            NotStorable: it has no such name.
        """
        try:
            return self.bare_key(key)
        except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
            raise self._unwritable(key, self.key.field, error) from error

    def written(self, row: V, bare_key: bytes) -> tuple[bytes, bytes]:
        """Return what is kept of a row: its JSON text, and its members of the indexes, packed.

        Raises:
            NotStorable: it cannot be kept.
        """
        text = self.codec.encode(row).encode()
        try:
            return text, packed(self.members(row, bare_key))
        except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
            raise self._unwritable(row.key, self._culprit(row), error) from error

    def _culprit(self, row: V) -> str:
        """Return the field of a row that does not fit an index."""
        for field, column in self.columns.items():
            try:
                column.encode(getattr(row, field))
            except (ValueError, TypeError, AttributeError, ArithmeticError):
                return field
        return "?"

    def _unwritable(self, key: object, field: str, error: Exception) -> NotStorable:
        return NotStorable(
            f"cannot keep {self.view.__qualname__} {key!r:.100} in its indexes: its field {field!r} does not fit: {error}. "
            "Put a shorter number, or a text that is valid Unicode, into it."
        )

    def members(self, row: V, bare_key: bytes) -> list[bytes]:
        """Return the members that a row has, one for each index."""
        lag = bare_key + (END if self._ends else b"") + struct.pack(">I", len(bare_key))
        return [
            b"".join([column.encode(getattr(row, column.field)) for column in index.columns[:-1]]) + lag
            for index in self.indexes
        ]

    def member(self, index: Index, values: dict[str, Any]) -> bytes:
        """Return the member that a row with these values has in an index, the key being one of them."""
        bare_key = self.bare_key(values[self.key.field])
        if index.is_order:
            return bare_key
        ahead = b"".join(column.encode(values[column.field]) for column in index.columns[:-1])
        return ahead + bare_key + (END if self._ends else b"") + struct.pack(">I", len(bare_key))


def packed(members: Sequence[bytes]) -> bytes:
    """Return members one after the other, each behind its length."""
    return b"".join([struct.pack(">I", len(each)) + each for each in members])


@cache
def shape_of(view: type[V]) -> Shape[V]:
    """Return what a view is to this store."""
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
    """Return a column for a key of a type that rows are not compared by: it is known by its JSON text."""
    annotation: Any = view.model_fields[view.view_key].annotation
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)

    def encode(value: Any) -> bytes:
        return text(adapter.dump_json(value).decode())

    return Column(view.view_key, "json", object, False, encode)


def _indexes(view: type[View], columns: dict[str, Column], key: Column) -> list[Index]:
    """Return the indexes that are of use: up to the key, or to a field that rows are not compared by."""
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
