"""The fields of a view: their kinds, and the conversion of their values to columns and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter
from pydantic_core import PydanticSerializationError

from twofold import View

from .._dialects.codec import Codec, Convert, Kind

_KINDS: tuple[tuple[type, Kind], ...] = (
    (bool, Kind.BOOLEAN),  # before int, its base class
    (datetime, Kind.DATETIME),  # before date, its base class
    (str, Kind.TEXT),
    (int, Kind.INTEGER),
    (float, Kind.FLOAT),
    (Decimal, Kind.DECIMAL),
    (date, Kind.DATE),
    (UUID, Kind.UUID),
)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a view, with its codec in one dialect.

    Attributes:
        name: the name of the field and of the column.
        kind: the kind of its values.
        accepts: the class of the values by which rows can be found.
        optional: whether the field may be None.
        certain: whether every decoded value is valid, so that pydantic does not have to validate it.
        codec: converts the view's values to the driver's values and back.
    """

    name: str
    kind: Kind
    accepts: type
    optional: bool
    certain: bool
    codec: Codec


def fields_of(view: type[View], codec: Callable[[Kind], Codec]) -> tuple[Field, ...]:
    """Return the fields of a view in order.

    Args:
        view: the view.
        codec: returns the dialect's codec for a kind.
    """
    return tuple(_field(view, name, codec) for name in view.model_fields)


def _field(view: type[View], name: str, codec: Callable[[Kind], Codec]) -> Field:
    info = view.model_fields[name]
    annotation, optional = _without_none(info.annotation)
    certain = not info.metadata
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        kind, to_stored, to_member = _enum(annotation)
        return Field(name, kind, annotation, optional, False, Codec(codec(kind).type, to_stored, to_member))
    for scalar, kind in _KINDS:
        if isinstance(annotation, type) and issubclass(annotation, scalar):
            return Field(name, kind, annotation, optional, certain and annotation is scalar, codec(kind))
    stored = codec(Kind.JSON)
    adapter = _adapter(info.annotation, view.model_config)
    text = Codec(stored.type, lambda value: _readable(adapter, value), adapter.validate_json)
    return Field(name, Kind.JSON, object, True, certain, text)


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) is Annotated:
        return _without_none(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        inner = [argument for argument in get_args(annotation) if argument is not NoneType]
        if len(inner) == 1 and len(get_args(annotation)) == 2:
            return inner[0], True
    return annotation, False


def _enum(enum: type[Enum]) -> tuple[Kind, Convert, Convert]:
    """Store an enum by its values if all are texts or all are integers, otherwise by its names."""
    values = {type(member.value) for member in enum}
    if values in ({str}, {int}):
        return (Kind.TEXT if values == {str} else Kind.INTEGER), (lambda member: member.value), enum
    return Kind.TEXT, (lambda member: member.name), enum.__getitem__


def _readable(adapter: TypeAdapter[Any], value: Any) -> str:
    """Return JSON text. Validate a value first if pydantic warns about it, such as one created without validation."""
    try:
        return adapter.dump_json(value, warnings="error").decode()
    except PydanticSerializationError:
        return adapter.dump_json(adapter.validate_json(adapter.dump_json(value, warnings=False))).decode()


def _adapter(annotation: Any, config: ConfigDict) -> TypeAdapter[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return TypeAdapter(annotation)
    names = {"ser_json_inf_nan", "ser_json_bytes", "val_json_bytes"}
    wanted = cast(ConfigDict, {name: value for name, value in config.items() if name in names})
    try:
        return TypeAdapter(annotation, config=wanted)
    except PydanticUserError:  # a type with its own configuration, such as a dataclass
        return TypeAdapter(annotation)
