"""The table of a view, and the conversion of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2s
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy import Column, Index, MetaData, Table

from twofold import View
from twofold.errors import InvalidDefinition, NotStorable, StorageError
from twofold.ports import RowChange

from .._dialects.codec import Kind
from .._dialects.dialect import Dialect
from .fields import Field, fields_of

V = TypeVar("V", bound=View)

_NO_KEYS = {Kind.DECIMAL: "equal decimals such as 2.5 and 2.50 are different texts", Kind.JSON: "it is not a scalar"}
_LONGEST_NAME = 60


class ViewTable(Generic[V]):
    """A view with its table.

    The table has the view's name. It has a typed column for each field; `_position`, the position of the event that last
    changed the row; and `_deleted`, which is true for the tombstone of a deleted row. Every field except the key is
    nullable, because a tombstone is empty.

    Args:
        view: the view.
        dialect: determines how values are stored.
        metadata: the `MetaData` to which the table is added.
        shadow: use the table of the shadow rows, which a rebuild writes.

    Raises:
        InvalidDefinition: the view cannot have a table.
    """

    def __init__(self, view: type[V], dialect: Dialect, metadata: MetaData, *, shadow: bool = False) -> None:
        self.view = view
        self.fields = tuple(_named(field, view, dialect) for field in fields_of(view, dialect.columns.codec))
        self.field = {field.name: field for field in self.fields}
        self._refuse(view)
        number, flag = dialect.columns.codec(Kind.INTEGER), dialect.columns.codec(Kind.BOOLEAN)
        name = f"{view.view_name}__rebuild" if shadow else view.view_name
        self.table = Table(
            name,
            metadata,
            *(
                Column(f.name, f.codec.type, primary_key=f.name == view.view_key, autoincrement=False)
                for f in self.fields
            ),
            Column("_position", number.type, nullable=False),
            Column("_deleted", flag.type, nullable=False),
            *(field.codec.generated(field.name) for field in self.fields if field.codec.generated is not None),
            **dialect.columns.table_options(),
        )
        for index in view.view_indexes:
            columns = [dialect.sql.comparable(self.table.c[name], self.field[name].kind) for name in index]
            Index(_index_name(name, index), *columns, **dialect.columns.index_options(columns))
        self.key = self.table.c[view.view_key]
        self._encoders = [(field.name, field.codec.encode) for field in self.fields]
        self._decoders = [(f.name, f.codec.decode, f.codec.exact, f.optional) for f in self.fields]
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
                empty = [key if each == name else None for each, _ in self._encoders]
                return (*empty, change.position, True)
            encoded = [
                value if (value := values[name := field]) is None or encode is None else encode(value)
                for field, encode in self._encoders
            ]
        except (StorageError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
            raise NotStorable(
                f"cannot store {self.view.__qualname__} {change.key!r:.100} in the table {self.table.name}: the field "
                f"{name!r} is {values[name]!r:.100} ({type(values[name]).__name__}): {error}"
            ) from error
        return *encoded, change.position, False

    def encode_key(self, key: object) -> Any:
        """Return a key as it is stored."""
        encode = self.field[self.view.view_key].codec.encode
        return key if encode is None else encode(key)

    def decode(self, row: Sequence[Any]) -> V:
        """Create a row from the values of the view's columns.

        The row of a view with plain fields, without constraints or validators, is created without validation: each value
        has the field's class. Every other row is validated.

        Raises:
            StorageError: the values do not fit the view, because the view has changed since they were written.
        """
        values: dict[str, Any] = {}
        certain = self._certain
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
            if certain:
                return _build(self.view, values)
            return self.view.model_validate(values, by_alias=False, by_name=True)
        except (ValidationError, ValueError, KeyError, TypeError, ArithmeticError) as error:
            raise StorageError(
                f"cannot read a row of {self.view.__qualname__} with key {row[self._key_index]!r} from the table "
                f"{self.table.name}: its values do not fit the class ({error}). Rebuild the projection that writes it."
            ) from error

    @property
    def _key_index(self) -> int:
        return list(self.field).index(self.view.view_key)

    def _refuse(self, view: type[View]) -> None:
        if not view.view_name:
            raise InvalidDefinition(f"cannot create a table for {view.__qualname__}: the view needs a name and a key.")
        if view.view_name.lower().startswith(("twofold_", "sqlite_")):
            raise InvalidDefinition(
                f"cannot create a table {view.view_name!r}: names that begin with twofold_ or sqlite_ are reserved. "
                "Rename the view."
            )
        names = [name.lower() for name in self.field]
        if len(set(names)) < len(names):
            raise InvalidDefinition(
                f"cannot create a table for {view.__qualname__}: two of its fields differ only in upper and lower case, "
                "which SQL does not distinguish. Rename one of them."
            )
        key = self.field[view.view_key]
        if key.kind in _NO_KEYS or key.optional:
            why = _NO_KEYS.get(key.kind, "it is optional")
            raise InvalidDefinition(
                f"cannot use {view.view_key!r} as the key of {view.__qualname__}: {why}. Use a str."
            )


def _named(field: Field, view: type[View], dialect: Dialect) -> Field:
    """Return the field with the type of keys, if it is a text that is the key or part of an index."""
    indexed = field.name == view.view_key or any(field.name in index for index in view.view_indexes)
    if field.kind is not Kind.TEXT or not indexed:
        return field
    return replace(field, codec=replace(field.codec, type=dialect.columns.codec(Kind.NAME).type))


def _index_name(view: str, fields: tuple[str, ...]) -> str:
    name = "ix_" + "_".join((view, *fields))
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[: _LONGEST_NAME - 9]}_{blake2s(name.encode(), digest_size=4).hexdigest()}"


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


def _build(view: type[V], values: dict[str, Any]) -> V:
    """Create a row without validation, as `model_construct` does, which takes more than twice as long.

    The attributes are documented by pydantic; there is no faster public function.
    """
    row = view.__new__(view)
    put = object.__setattr__
    put(row, "__dict__", values)
    put(row, "__pydantic_fields_set__", set(values))
    put(row, "__pydantic_extra__", None)
    put(row, "__pydantic_private__", None)
    return row
