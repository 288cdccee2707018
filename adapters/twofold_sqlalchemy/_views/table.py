"""The table of a view, and the conversion of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from sqlalchemy import Column, Index, MetaData, Table

from twofold import RowCodec, View
from twofold.errors import InvalidDefinition, NotStorable, StorageError, UnreadableRow
from twofold.ports import RowChange, shown

from .._dialects.codec import Kind
from .._dialects.dialect import Columns, Sql
from .fields import Field, fields_of
from .naming import index_name, quoted, table_name

V = TypeVar("V", bound=View)

_NO_KEYS = {Kind.DECIMAL: "equal decimals such as 2.5 and 2.50 are different texts", Kind.JSON: "it is not a scalar"}


class ViewTable(Generic[V]):
    """A view with its table.

    The table has the view's name. It has a typed column for each field; `_position`, the position of the event that last
    changed the row; and `_deleted`, which is true for the tombstone of a deleted row. Every field except the key is
    nullable, because a tombstone is empty.

    Args:
        view: the view.
        columns: determine how values are stored.
        sql: determines how values are compared.
        metadata: the `MetaData` to which the table is added.
        shadow: use the table of the shadow rows, which a rebuild writes.

    Raises:
        InvalidDefinition: the view cannot have a table.
    """

    def __init__(self, view: type[V], columns: Columns, sql: Sql, metadata: MetaData, *, shadow: bool = False) -> None:
        self.view = view
        self.fields = tuple(_named(field, view, columns) for field in fields_of(view, columns.codec))
        self.field = {field.name: field for field in self.fields}
        self._refuse(view)
        number, flag = columns.codec(Kind.INTEGER), columns.codec(Kind.BOOLEAN)
        name = table_name(view, shadow=shadow)
        self.table = Table(
            name,
            metadata,
            *(
                Column(quoted(f.name), f.codec.type, primary_key=f.name == view.view_key, autoincrement=False)
                for f in self.fields
            ),
            Column("_position", number.type, nullable=False),
            Column("_deleted", flag.type, nullable=False),
            *(field.codec.generated(field.name) for field in self.fields if field.codec.generated is not None),
            **columns.table_options(),
        )
        for index in view.view_indexes:
            indexed = [sql.comparable(self.table.c[name], self.field[name].kind) for name in index]
            Index(index_name(name, index), *indexed, **columns.index_options(indexed))
        self.key = self.table.c[view.view_key]
        self._codec = RowCodec(view)
        self._decoders = [(f.name, f.codec.decode, f.codec.exact, f.optional) for f in self.fields]
        self._texts = frozenset(field.name for field in self.fields if field.kind is Kind.JSON)
        self._converted = [
            (index, field.name, None if field.kind is Kind.JSON else field.codec.encode)
            for index, field in enumerate(self.fields)
            if field.kind is Kind.JSON or field.codec.encode is not None
        ]
        self._certain = all(field.certain for field in self.fields) and _builds_plainly(view)

    def encode(self, change: RowChange[V]) -> tuple[Any, ...]:
        """Return a row's values in the order of the table's columns.

        Raises:
            NotStorable: the database cannot store a value.
        """
        name = self.view.view_key
        values = {name: change.key} if change.row is None else change.row.__dict__
        try:
            if change.row is None:
                key = self.encode_key(change.key)
                empty = [key if each == name else None for each in self.field]
                return (*empty, change.position, True)
            encoded = [values[name] for name in self.field]
            for index, name, encode in self._converted:
                if encode is None:
                    encoded[index] = self._codec.encode_field(change.row, name)
                elif encoded[index] is not None:
                    encoded[index] = encode(encoded[index])
        except (StorageError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
            raise NotStorable(
                f"cannot store {self.view.__qualname__} {shown(change.key)} in the table {self.table.name}: the field "
                f"{name!r} is {shown(values[name])}: {error}"
            ) from error
        return *encoded, change.position, False

    def encode_key(self, key: object) -> Any:
        """Return the stored form of a key."""
        encode = self.field[self.view.view_key].codec.encode
        return key if encode is None else encode(key)

    def decode(self, row: Sequence[Any]) -> V:
        """Create a row from the values of the view's columns.

        The row of a view with plain fields, without constraints or validators, is created without validation: each value
        has the field's class. Every other row is validated.

        Raises:
            UnreadableRow: the values do not fit the view, because the view has changed since they were written.
        """
        values: dict[str, Any] = {}
        certain, name = self._certain, ""
        try:
            for (name, decode, plain, optional), value in zip(self._decoders, row, strict=True):
                if value is None:
                    certain = certain and optional
                    values[name] = None
                elif decode is not None:
                    values[name] = decode(value)
                else:
                    certain = certain and type(value) is plain
                    values[name] = value
            name = ""
            if certain:
                return self._codec.build(values)
            texts = {name: values.pop(name) for name in self._texts}
            return self._codec.decode_columns(values, texts)
        except UnreadableRow as error:
            raise UnreadableRow(self.view, self._key_of(row), error.found) from None
        except (StorageError, ValueError, KeyError, TypeError, ArithmeticError) as error:
            where = f"the field {name!r} does" if name else "its fields do"
            found = f"{where} not fit the class any more ({type(error).__name__})"
            raise UnreadableRow(self.view, self._key_of(row), found) from None  # the text of the cause quotes the value

    def decode_all(self, rows: Iterable[Sequence[Any]], unreadable: list[UnreadableRow] | None) -> list[V]:
        """Decode rows. Add the errors of unreadable rows to the list, or raise the first one if there is no list."""
        found: list[V] = []
        for row in rows:
            try:
                found.append(self.decode(row))
            except UnreadableRow as error:
                if unreadable is None:
                    raise
                unreadable.append(error)
        return found

    def _key_of(self, row: Sequence[Any]) -> Any:
        index = list(self.field).index(self.view.view_key)
        _, decode, _, _ = self._decoders[index]
        try:
            return row[index] if decode is None else decode(row[index])
        except (ValueError, KeyError, TypeError):
            return row[index]

    def _refuse(self, view: type[View]) -> None:
        if not view.view_name:
            raise InvalidDefinition(f"cannot create a table for {view.__qualname__}: the view needs a name and a key.")
        key = self.field[view.view_key]
        if key.kind in _NO_KEYS or key.optional:
            why = _NO_KEYS.get(key.kind, "it is optional")
            raise InvalidDefinition(
                f"cannot use {view.view_key!r} as the key of {view.__qualname__}: {why}. Use a str."
            )


def _named(field: Field, view: type[View], columns: Columns) -> Field:
    """Return the field with the type of keys, if it is a text that is the key or part of an index."""
    indexed = field.name == view.view_key or any(field.name in index for index in view.view_indexes)
    if field.kind is not Kind.TEXT or not indexed:
        return field
    return replace(field, codec=replace(field.codec, type=columns.codec(Kind.NAME).type))


def _builds_plainly(view: type[View]) -> bool:
    """Return whether a row can be created from its field values without validation."""
    decorators = view.__pydantic_decorators__
    own = ("__init__", "__new__", "__get_pydantic_core_schema__", "model_post_init", "__setattr__")
    return not (
        decorators.validators
        or decorators.field_validators
        or decorators.root_validators
        or decorators.model_validators
        or view.__private_attributes__
        or any(name in vars(base) for name in own for base in view.__mro__ if base not in BaseModel.__mro__)
    )
