"""The fields of a view: their kinds, and the conversion of their values to columns and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from twofold import View
from twofold.ports import field_type, scalar_form

from .._dialects.codec import Codec, Kind

_KINDS: Final[Mapping[type, Kind]] = {
    bool: Kind.BOOLEAN,
    datetime: Kind.DATETIME,
    str: Kind.TEXT,
    int: Kind.INTEGER,
    float: Kind.FLOAT,
    Decimal: Kind.DECIMAL,
    date: Kind.DATE,
    UUID: Kind.UUID,
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a view, with its codec in one dialect.

    Attributes:
        name: the name of the field and of the column.
        kind: the kind of its values.
        optional: whether the field may be None.
        certain: whether every decoded value is valid, so that pydantic does not have to validate it.
        codec: converts the view's values to the driver's values and back.
    """

    name: str
    kind: Kind
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
    cls, optional, exact = field_type(view, name)
    form = scalar_form(cls) if isinstance(cls, type) else None
    if form is None:  # the core encodes the field as a part of its row
        return Field(name, Kind.JSON, optional=True, certain=False, codec=codec(Kind.JSON))
    kind = _KINDS[form.kind]
    if form.encode is None:
        return Field(name, kind, optional, exact and cls is form.kind, codec(kind))
    return Field(name, kind, optional, exact, Codec(codec(kind).type, form.encode, form.decode))
