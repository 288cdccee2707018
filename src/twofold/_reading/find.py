"""Ask a read model for rows: comparisons, orders and pages, checked against the view before they reach a store."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Generic, TypeAlias, TypeVar, Union, get_args, get_origin
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from .._definitions.view import View
from ..errors import InvalidFind
from ..ports.rows import Condition, Operator, Ordering, Selection

V = TypeVar("V", bound=View)

_SCALARS = (str, int, float, bool, Decimal, datetime, date, UUID, Enum)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A value with the way to compare it; made by `gt`, `ge`, `lt`, `le` and `one_of`."""

    operator: Operator
    value: object


def gt(value: object) -> Comparison:
    """Match fields greater than a value."""
    return Comparison(Operator.GT, value)


def ge(value: object) -> Comparison:
    """Match fields greater than or equal to a value."""
    return Comparison(Operator.GE, value)


def lt(value: object) -> Comparison:
    """Match fields less than a value."""
    return Comparison(Operator.LT, value)


def le(value: object) -> Comparison:
    """Match fields less than or equal to a value."""
    return Comparison(Operator.LE, value)


def one_of(values: Iterable[object]) -> Comparison:
    """Match fields equal to one of some values; nothing when there are none."""
    return Comparison(Operator.ONE_OF, tuple(values))


@dataclass(frozen=True, slots=True)
class Page:
    """A numbered page. Rows may move between numbered pages while others are added; see `Keyset`.

    Args:
        number: the page, from 1.
        size: rows a page, from 1.

    Raises:
        InvalidFind: a number is below 1.
    """

    number: int = 1
    size: int = 20

    def __post_init__(self) -> None:
        if self.number < 1 or self.size < 1:
            raise InvalidFind(f"cannot give page {self.number} of {self.size} rows. Pages and sizes count from 1.")


@dataclass(frozen=True, slots=True)
class Keyset:
    """The rows behind a cursor. Stable: rows added meanwhile neither repeat nor hide any.

    Args:
        size: rows a page, from 1.
        after: `Rows.next` of the page before, or None for the first page.

    Raises:
        InvalidFind: the size is below 1.
    """

    size: int = 20
    after: str | None = None

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InvalidFind(f"cannot give a page of {self.size} rows. Sizes count from 1.")


@dataclass(frozen=True, slots=True)
class Rows(Generic[V]):
    """The rows that were found.

    Attributes:
        items: the rows, in the order asked for.
        total: how many rows match in all; only for a numbered page, else None.
        next: the cursor of the next page; only for a keyset page that is not the last, else None.
    """

    items: tuple[V, ...]
    total: int | None = None
    next: str | None = None


Where: TypeAlias = Mapping[str, object]
"""Field names with the value each must equal, or with a comparison such as `ge(5)`."""

OrderBy: TypeAlias = str | Sequence[str]
"""One or more field names; a leading `-` sorts descending."""


def conditions(view: type[View], where: Where | None) -> tuple[Condition, ...]:
    """Turn a `where` into conditions whose values have the fields' types."""
    return tuple(_condition(view, field, value) for field, value in (where or {}).items())


def selection(view: type[View], where: Where | None, order_by: OrderBy, page: Page | Keyset | None) -> Selection:
    """Turn a find into a selection that a store can answer without further checks.

    Raises:
        InvalidFind: a field, a value, an order or a cursor does not fit the view.
    """
    order = _orders(view, (order_by,) if isinstance(order_by, str) else tuple(order_by))
    wanted = conditions(view, where)
    match page:
        case None:
            return Selection(wanted, order)
        case Page():
            return Selection(wanted, order, limit=page.size, offset=(page.number - 1) * page.size)
        case Keyset():
            after = None if page.after is None else _decode_cursor(view, order, page.after)
            return Selection(wanted, order, after=after, limit=page.size + 1)


def cursor(row: View, order: Sequence[Ordering]) -> str:
    """Return an opaque text that stands for a row's place in an order."""
    values = [_adapter(type(row), term.field).dump_python(getattr(row, term.field), mode="json") for term in order]
    text = json.dumps([_signature(order), values], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _decode_cursor(view: type[View], order: tuple[Ordering, ...], text: str) -> tuple[object, ...]:
    try:
        signature, values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if signature == _signature(order) and len(values) == len(order):
            pairs = zip(order, values, strict=True)
            return tuple(_adapter(view, term.field).validate_python(value) for term, value in pairs)
    except (ValueError, TypeError, binascii.Error):
        pass
    raise InvalidFind(
        f"cannot page {view.__qualname__} after {text!r}: it is not a cursor of this order. "
        "Pass Rows.next of a page that was found with the same order_by."
    )


def _signature(order: Sequence[Ordering]) -> str:
    return ",".join(("-" if term.descending else "") + term.field for term in order)


def _condition(view: type[View], field: str, value: object) -> Condition:
    scalar = scalar_type(view, field)
    comparison = value if isinstance(value, Comparison) else Comparison(Operator.EQ, value)
    if scalar is None:
        raise InvalidFind(f"cannot filter {view.__qualname__} by {field!r}: {_why_not(view, field)}")
    adapter = _adapter(view, field)
    try:
        if comparison.operator is Operator.ONE_OF:
            values = comparison.value if isinstance(comparison.value, tuple) else ()
            return Condition(field, comparison.operator, tuple(map(adapter.validate_python, values)))
        checked = adapter.validate_python(comparison.value)
    except ValidationError as error:
        raise InvalidFind(
            f"cannot filter {view.__qualname__} by {field!r}: {comparison.value!r} does not fit the field: {error}"
        ) from error
    if checked is None and comparison.operator is not Operator.EQ:
        raise InvalidFind(
            f"cannot compare {field!r} of {view.__qualname__} with None by {comparison.operator.value!r}."
        )
    return Condition(field, comparison.operator, checked)


def _orders(view: type[View], order_by: tuple[str, ...]) -> tuple[Ordering, ...]:
    order: dict[str, Ordering] = {}
    for text in order_by:
        field = text.removeprefix("-")
        if scalar_type(view, field) is None or NoneType in get_args(view.model_fields[field].annotation):
            raise InvalidFind(f"cannot sort {view.__qualname__} by {field!r}: {_why_not(view, field)}")
        order[field] = Ordering(field, text.startswith("-"))
    descending = bool(order_by) and order_by[-1].startswith("-")
    order.setdefault(view.view_key, Ordering(view.view_key, descending))
    return tuple(order.values())


def _why_not(view: type[View], field: str) -> str:
    if field in view.model_fields:
        return "it is optional or not a scalar. Store a plain value beside it and use that."
    return f"there is no such field. Its fields are: {', '.join(view.model_fields)}."


def scalar_type(view: type[View], field: str) -> type | None:
    """Return the type of a field that can be filtered by (without `None`), or None when there is no such field."""
    if field not in view.model_fields:
        return None
    annotation = view.model_fields[field].annotation
    if get_origin(annotation) in (Union, UnionType):
        inner = [argument for argument in get_args(annotation) if argument is not NoneType]
        annotation = inner[0] if len(inner) == 1 else None
    return annotation if isinstance(annotation, type) and issubclass(annotation, _SCALARS) else None


@cache
def _adapter(view: type[View], field: str) -> TypeAdapter[Any]:
    annotation: Any = view.model_fields[field].annotation
    return TypeAdapter(annotation)
