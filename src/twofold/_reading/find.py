"""Ask a read model for rows: conditions, orders and pages, checked against the view before they reach a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from .._background.shown import shown
from .._definitions.view import View
from ..errors import InvalidFind
from ..ports.rows import ORDERED, Condition, Operator, Ordering, Selection
from .comparisons import Comparison, alternatives_of
from .cursors import decode_cursor
from .fields import Field, Refused, fields_of
from .pages import Keyset, Page

MOST_VALUES: Final = 10_000
"""The maximum number of values in the conditions of one find. Every database accepts this number of parameters."""

MOST_ALTERNATIVES: Final = 100
"""The maximal number of alternatives of a field that are not values which the field may equal."""

LONGEST_TEXTS: Final = 1_000_000
"""The maximal number of characters of all texts in the conditions of one find."""

Where: TypeAlias = Mapping[str, object]
"""Field names with the value each must equal, or with a comparison such as `ge(5)`."""

OrderBy: TypeAlias = str | Sequence[str]
"""One or more field names; a leading `-` sorts descending."""


def conditions(view: type[View], where: Where | None) -> tuple[Condition, ...]:
    """Turn a `where` into conditions whose values have the fields' types.

    Raises:
        InvalidFind: a field or a value does not fit the view, or there are too many values.
    """
    if where is not None and not isinstance(where, Mapping):
        raise InvalidFind(
            f"cannot filter {view.__qualname__} by {shown(where)}: pass a mapping of fields to conditions."
        )
    given = where or {}
    values = [value for condition in given.values() for value in _values(condition)]
    texts = sum(len(value) for value in values if isinstance(value, str | bytes | bytearray))
    if len(values) > MOST_VALUES or texts > LONGEST_TEXTS:
        raise InvalidFind(
            f"cannot filter {view.__qualname__} by {len(values)} values with {texts} characters: the limits are "
            f"{MOST_VALUES} values and {LONGEST_TEXTS} characters. Use several calls, or get_many() for keys."
        )
    return tuple(_condition(view, field, value) for field, value in given.items())


def selection(view: type[View], where: Where | None, order_by: OrderBy, page: Page | Keyset | None) -> Selection:
    """Turn a find into a selection that a store can answer without further checks.

    Raises:
        InvalidFind: a field, a value, an order or a cursor does not fit the view.
    """
    order = _orders(view, order_by)
    wanted = conditions(view, where)
    match page:
        case Page():
            return Selection(wanted, order, limit=page.size, offset=(page.number - 1) * page.size)
        case Keyset():
            after = None if page.after is None else decode_cursor(view, order, page.after)
            return Selection(wanted, order, after=after, limit=page.size + 1)
        case None:
            return Selection(wanted, order)
    raise InvalidFind(f"cannot find a page {shown(page)} of {view.__qualname__}: pass a Page, a Keyset or None.")


def _condition(view: type[View], field: str, value: object) -> Condition:
    found = fields_of(view).get(field)
    if found is None or found.scalar is None:
        raise InvalidFind(f"cannot filter {view.__qualname__} by {shown(field)}: {_why_not(view, found)}")
    comparison = value if isinstance(value, Comparison) else Comparison(Operator.EQ, value)
    alternatives = [_compared(view, found, each) for each in alternatives_of(comparison)]
    if len(alternatives) > 1:
        alternatives = _merged(field, alternatives)
    if len(alternatives) > MOST_ALTERNATIVES:
        raise InvalidFind(
            f"cannot filter {view.__qualname__} by {field!r} with {len(alternatives)} alternatives: the limit is "
            f"{MOST_ALTERNATIVES}. Find the rows in several calls."
        )
    return alternatives[0] if len(alternatives) == 1 else Condition(field, Operator.ANY_OF, tuple(alternatives))


def _values(condition: object) -> Iterator[object]:
    """Yield the values that a condition compares with."""
    if not isinstance(condition, Comparison):
        yield condition
        return
    for each in alternatives_of(condition):
        if each.operator is Operator.ONE_OF and isinstance(each.value, tuple):
            yield from each.value
        else:
            yield each.value


def _merged(field: str, alternatives: Sequence[Condition]) -> list[Condition]:
    """Return alternatives without duplicates, all values that the field may equal in one of them."""
    values: dict[object, None] = {}
    others: dict[Condition, None] = {}
    for each in alternatives:
        if each.operator is Operator.ONE_OF and isinstance(each.value, tuple):
            values.update(dict.fromkeys(each.value))
        elif each.operator is Operator.EQ:
            values[each.value] = None
        else:
            others[each] = None
    equal = [Condition(field, Operator.ONE_OF, tuple(values))] if values or not others else []
    return [*equal, *others]


def _compared(view: type[View], field: Field, comparison: Comparison) -> Condition:
    operator, value = comparison.operator, comparison.value
    if operator is Operator.ONE_OF and isinstance(value, tuple):
        return Condition(field.name, operator, tuple(dict.fromkeys(_value(view, field, each) for each in value)))
    if value is None and operator in ORDERED:
        raise InvalidFind(f"cannot compare {field.name!r} of {view.__qualname__} with None by {operator.value!r}.")
    return Condition(field.name, operator, _value(view, field, value))


def _value(view: type[View], field: Field, value: object) -> Any:
    try:
        return field.value_of(value)
    except Refused as refused:
        raise InvalidFind(
            f"cannot filter {view.__qualname__} by {field.name!r} and the value {shown(value)}: {refused}.{_advice(value)}"
        ) from refused


def _advice(value: object) -> str:
    if isinstance(value, list | tuple | set | frozenset):
        return " To find rows with one of several values, use one_of(...)."
    return ""


def _orders(view: type[View], order_by: OrderBy) -> tuple[Ordering, ...]:
    names = (order_by,) if isinstance(order_by, str) else order_by
    if not isinstance(names, Sequence):
        raise InvalidFind(f"cannot sort {view.__qualname__} by {shown(names)}: pass the names of fields.")
    order: dict[str, Ordering] = {}
    descending = False
    for text in names:
        if not isinstance(text, str):
            raise InvalidFind(f"cannot sort {view.__qualname__} by {shown(text)}: it is not the name of a field.")
        name, descending = text.removeprefix("-"), text.startswith("-")
        field = fields_of(view).get(name)
        if field is None or not field.sortable:
            raise InvalidFind(f"cannot sort {view.__qualname__} by {name!r:.100}: {_why_not(view, field)}")
        order[name] = Ordering(name, descending)
    order.setdefault(view.view_key, Ordering(view.view_key, descending))
    return tuple(order.values())


def _why_not(view: type[View], field: Field | None) -> str:
    if field is not None:
        return "it is optional or not a scalar. Store a plain value beside it and use that."
    return f"there is no such field. Its fields are: {', '.join(view.model_fields)}."
