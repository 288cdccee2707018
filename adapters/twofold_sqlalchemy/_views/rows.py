"""Reading and writing the rows of a view."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import ColumnElement, Executable, and_, bindparam, false, func, or_, select, true

from twofold import View
from twofold.errors import NotStorable
from twofold.ports import Condition, Operator, Ordering, RowChange, Selection

from .._connection.database import Database
from .._connection.open_transaction import OpenTransaction, UniqueViolation
from .._dialects.codec import Kind
from .fields import Field
from .table import ViewTable

V = TypeVar("V", bound=View)

_KEYS = 512
"""Keys that one select asks for at most."""


class TableRows(Generic[V]):
    """The rows of a view in one transaction: a `RowWriter`.

    Args:
        database: compiles and keeps the statements.
        view: the view, bound to its table.
        transaction: the open transaction.
    """

    def __init__(self, database: Database, view: ViewTable[V], transaction: OpenTransaction) -> None:
        self._database = database
        self._view = view
        self._transaction = transaction

    async def get_many(self, keys: Collection[object]) -> Mapping[object, V]:
        """Return the rows that exist, by key."""
        view, found = self._view, dict[object, V]()
        accepts = view.field[view.view.view_key].accepts
        encoded = list({view.encode_key(key): None for key in keys if isinstance(key, accepts)})
        for start in range(0, len(encoded), _KEYS):
            chunk = encoded[start : start + _KEYS]
            size = _padded(len(chunk))
            prepared = self._database.prepared((view, "keys", size), partial(self._by_keys, size))
            chunk += chunk[-1:] * (size - len(chunk))
            values = {f"key{index}": key for index, key in enumerate(chunk)}
            for row in await self._transaction.fetch(prepared, values, self._action("read rows")):
                made = view.decode(row)
                found[made.key] = made
        self._transaction.check()
        return found

    async def select(self, selection: Selection) -> Sequence[V]:
        """Return the rows of a selection, in its order."""
        where, values = self._where(selection.where)
        paging = selection.limit is not None, bool(selection.offset)
        order = tuple((order.field, order.descending) for order in selection.order_by)
        shape = (self._view, "select", where, order, selection.after is not None, paging)
        for index, (ordering, value) in enumerate(zip(selection.order_by, selection.after or (), strict=False)):
            values[f"after{index}"] = _encoded(self._view.field[ordering.field], value)
        values |= {"size": selection.limit, "skipped": selection.offset}
        prepared = self._database.prepared(shape, lambda: self._selected(selection, paging))
        rows = await self._transaction.fetch(prepared, values, self._action("find rows"))
        return [self._view.decode(row) for row in rows]

    async def count(self, where: Sequence[Condition]) -> int:
        """Return how many rows match."""
        shape, values = self._where(where)
        prepared = self._database.prepared(
            (self._view, "count", shape),
            lambda: select(func.count()).select_from(self._view.table).where(*self._conditions(where)),
        )
        return int((await self._transaction.fetch(prepared, values, self._action("count rows")))[0][0])

    async def write(self, changes: Sequence[RowChange[V]]) -> None:
        """Apply changes in one statement; the database leaves out those that are older than their row."""
        action = self._action("write rows")
        self._transaction.check_writable(action)
        if not changes:
            return
        view = self._view
        prepared = self._database.prepared(
            (view, "write"),
            lambda: self._database.dialect.sql.upsert(view.table, view.key, view.table.c["_position"]),
        )
        try:
            rows = [view.encode(change) for change in changes]
            await self._transaction.change_many(prepared, rows, action)
        except NotStorable as error:
            self._transaction.doom(error)
            raise
        except UniqueViolation as violation:  # by an index that the user has added
            raise NotStorable(str(violation.as_error(action))) from violation.__cause__

    def _action(self, what: str) -> str:
        return f"{what} of {self._view.view.__qualname__}"

    def _by_keys(self, size: int) -> Executable:
        view = self._view
        wanted = view.key.in_([bindparam(f"key{index}") for index in range(size)])
        return select(*self._columns()).where(wanted, self._alive())

    def _selected(self, selection: Selection, paging: tuple[bool, bool]) -> Executable:
        statement = select(*self._columns()).where(*self._conditions(selection.where))
        if selection.after is not None:
            statement = statement.where(self._behind(selection.order_by))
        for ordering in selection.order_by:
            column = self._comparable(ordering.field)
            statement = statement.order_by(column.desc() if ordering.descending else column.asc())
        if paging[0]:
            statement = statement.limit(bindparam("size"))
        if paging[1]:
            statement = statement.offset(bindparam("skipped"))
        return statement

    def _columns(self) -> list[ColumnElement[Any]]:
        return [self._database.dialect.sql.readable(self._view.table.c[field.name]) for field in self._view.fields]

    def _alive(self) -> ColumnElement[bool]:
        return self._view.table.c["_deleted"].is_(false())

    def _comparable(self, field: str) -> ColumnElement[Any]:
        return self._database.dialect.sql.comparable(self._view.table.c[field], self._view.field[field].kind)

    def _bound(self, field: str, name: str) -> ColumnElement[Any]:
        kind = self._view.field[field]
        return self._database.dialect.sql.comparable(bindparam(name, type_=kind.codec.type), kind.kind)

    def _where(self, where: Sequence[Condition]) -> tuple[tuple[object, ...], dict[str, Any]]:
        """Return the shape of the conditions, and their values by name."""
        shape: list[object] = []
        values: dict[str, Any] = {}
        for index, (field, operator, value) in enumerate(where):
            if operator is Operator.ONE_OF:
                options = [
                    _encoded(self._view.field[field], option) for option in _options(value) if option is not None
                ]
                size = _padded(len(options))
                options += options[-1:] * (size - len(options))
                values.update((f"where{index}_{number}", option) for number, option in enumerate(options))
                shape.append((field, operator, size, None in _options(value)))
            else:
                values[f"where{index}"] = _encoded(self._view.field[field], value)
                shape.append((field, operator, value is None))
        return tuple(shape), values

    def _conditions(self, where: Sequence[Condition]) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = [self._alive()]
        for index, condition in enumerate(where):
            conditions.append(self._condition(condition, f"where{index}"))
        return conditions

    def _condition(self, condition: Condition, name: str) -> ColumnElement[bool]:
        field, operator, value = condition
        column = self._comparable(field)
        match operator:
            case Operator.EQ if value is None:
                return self._view.table.c[field].is_(None)
            case Operator.EQ:
                return column == self._bound(field, name)
            case Operator.GT:
                return column > self._bound(field, name)
            case Operator.GE:
                return column >= self._bound(field, name)
            case Operator.LT:
                return column < self._bound(field, name)
            case Operator.LE:
                return column <= self._bound(field, name)
            case Operator.ONE_OF:
                size = _padded(sum(option is not None for option in _options(value)))
                options = [self._bound(field, f"{name}_{number}") for number in range(size)]
                found = column.in_(options) if options else false()
                return or_(found, self._view.table.c[field].is_(None)) if None in _options(value) else found

    def _behind(self, order_by: Sequence[Ordering]) -> ColumnElement[bool]:
        """Return the condition for rows behind the ones whose values are bound as `after0`, `after1`..."""
        later: ColumnElement[bool] = false()
        for index, ordering in reversed(list(enumerate(order_by))):
            column, value = self._comparable(ordering.field), self._bound(ordering.field, f"after{index}")
            further = column < value if ordering.descending else column > value
            later = or_(further, and_(column == value, later))
        first, value = self._comparable(order_by[0].field), self._bound(order_by[0].field, "after0")
        # It follows from the rest, and an index can use it.
        reach = first <= value if order_by[0].descending else first >= value
        return and_(reach, later) if order_by else true()


def _options(value: object) -> tuple[Any, ...]:
    return cast("tuple[Any, ...]", value)


def _padded(size: int) -> int:
    """Return the next power of two, so that lists of any length share few statements."""
    return 1 << (size - 1).bit_length() if size else 0


def _encoded(field: Field, value: Any) -> Any:
    if value is None or field.codec.encode is None or field.kind is Kind.JSON:
        return value
    return field.codec.encode(value)
