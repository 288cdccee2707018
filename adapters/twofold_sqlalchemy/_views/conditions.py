"""The conditions of a selection as SQL, and their values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, and_, bindparam, false, or_

from twofold.ports import Condition, Operator, Ordering

from .._dialects.codec import Kind
from .._dialects.dialect import Sql
from .fields import Field
from .table import ViewTable

_COMPARE: Final[Mapping[Operator, Callable[[Any, Any], ColumnElement[bool]]]] = {
    Operator.EQ: operator.eq,
    Operator.NE: lambda column, value: column.is_distinct_from(value),
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
}


class Conditions:
    """Writes the conditions on the fields of a view as SQL.

    Args:
        view: the view, bound to its table.
        sql: the dialect's expressions.
    """

    def __init__(self, view: ViewTable[Any], sql: Sql) -> None:
        self._view = view
        self._sql = sql

    def comparable(self, field: str) -> ColumnElement[Any]:
        """Return the expression by which a field is compared and sorted."""
        return self._sql.comparable(self._view.table.c[field], self._view.field[field].kind)

    def bound(self, field: str, name: str) -> ColumnElement[Any]:
        """Return a bound value that can be compared with a field."""
        kind = self._view.field[field]
        return self._sql.comparable(bindparam(name, type_=kind.codec.type), kind.kind)

    def clauses(self, where: Sequence[Condition]) -> list[ColumnElement[bool]]:
        """Return one clause for each condition. The values are bound by the names that `shape` gives them."""
        return [self._clause(condition, f"where{index}") for index, condition in enumerate(where)]

    def shape(self, where: Sequence[Condition]) -> tuple[tuple[object, ...], dict[str, Any]]:
        """Return the shape of conditions, which is equal for conditions with the same SQL, and their values by name."""
        values: dict[str, Any] = {}
        return tuple(self._shape(condition, f"where{index}", values) for index, condition in enumerate(where)), values

    def behind(self, order_by: Sequence[Ordering]) -> ColumnElement[bool]:
        """Return the condition for rows after the row whose values are bound as `after0`, `after1`..."""
        later: ColumnElement[bool] = false()
        for index, ordering in reversed(list(enumerate(order_by))):
            column, value = self.comparable(ordering.field), self.bound(ordering.field, f"after{index}")
            further = column < value if ordering.descending else column > value
            later = or_(further, and_(column == value, later))
        first, value = self.comparable(order_by[0].field), self.bound(order_by[0].field, "after0")
        # It follows from the rest, and an index can use it.
        reach = first <= value if order_by[0].descending else first >= value
        return and_(reach, later)

    def encoded(self, field: str, value: Any) -> Any:
        """Return a value as the driver takes it."""
        return _encoded(self._view.field[field], value)

    def _shape(self, condition: Condition, name: str, values: dict[str, Any]) -> tuple[object, ...]:
        field, compared, value = condition
        if compared is Operator.ANY_OF:
            alternatives = enumerate(cast("tuple[Condition, ...]", value))
            return field, compared, tuple(self._shape(each, f"{name}_{index}", values) for index, each in alternatives)
        if compared is not Operator.ONE_OF:
            values[name] = self.encoded(field, value)
            return field, compared, value is None
        options = [self.encoded(field, option) for option in cast("tuple[Any, ...]", value) if option is not None]
        size = padded(len(options))
        options += options[-1:] * (size - len(options))
        values.update((f"{name}_{index}", option) for index, option in enumerate(options))
        return field, compared, size, None in cast("tuple[Any, ...]", value)

    def _clause(self, condition: Condition, name: str) -> ColumnElement[bool]:
        field, compared, value = condition
        plain = self._view.table.c[field]
        match compared:
            case Operator.ANY_OF:
                alternatives = enumerate(cast("tuple[Condition, ...]", value))
                return or_(*[self._clause(each, f"{name}_{index}") for index, each in alternatives])
            case Operator.ONE_OF:
                values = cast("tuple[Any, ...]", value)
                size = padded(sum(each is not None for each in values))
                options = [self.bound(field, f"{name}_{index}") for index in range(size)]
                found = self.comparable(field).in_(options) if options else false()
                return or_(found, plain.is_(None)) if None in values else found
            case Operator.EQ | Operator.NE if value is None:
                return plain.is_(None) if compared is Operator.EQ else plain.is_not(None)
            case _:
                return _COMPARE[compared](self.comparable(field), self.bound(field, name))


def padded(size: int) -> int:
    """Return the next power of two, so that lists of any length share few statements."""
    return 1 << (size - 1).bit_length() if size else 0


def _encoded(field: Field, value: Any) -> Any:
    encode = field.codec.compared or field.codec.encode
    return value if value is None or encode is None or field.kind is Kind.JSON else encode(value)
