"""Tags of events: the selection of events by them, and the check of conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from sqlalchemy import Executable, Select, bindparam, func, insert, select, union

from twofold.errors import BoundaryConflict
from twofold.ports import AppendCondition, Criterion, NewEvent, StoredEvent

from .._connection.compiler import Compiler
from .._connection.open_transaction import OpenTransaction
from .._schema.tables import Tables
from .columns import EventColumns

_END = 2**63 - 1

Shape: TypeAlias = tuple[tuple[int | None, int], ...]
"""The numbers of names and tags of each criterion, which determine a statement. None: every name."""


class TaggedEvents:
    """The selection of events by names and tags, and the tags of new events.

    Args:
        compiler: compiles the statements.
        tables: Twofold's tables in it.
    """

    def __init__(self, compiler: Compiler, tables: Tables) -> None:
        self._compiler = compiler
        self._events = tables.events
        self._tags = tables.tags
        self._columns = EventColumns(compiler.columns, compiler.sql)
        names: dict[str, Any] = {name: bindparam(name) for name in ("tag", "position", "name")}
        self._insert = compiler.prepare(insert(tables.tags).values(names))

    async def matching(
        self, transaction: OpenTransaction, criteria: Sequence[Criterion], after: int, upto: int | None, limit: int
    ) -> Sequence[StoredEvent]:
        """Return the first events that one of some criteria selects, each once."""
        shape, values = _bound(criteria)
        prepared = self._compiler.prepared(("matching", shape), lambda: self._select(shape))
        values |= {"after": after, "upto": _END if upto is None else upto, "size": limit}
        rows = await transaction.fetch(prepared, values, "read the events of a boundary")
        return [self._columns.stored(row) for row in rows]

    async def check_order(self, transaction: OpenTransaction, conditions: Sequence[AppendCondition]) -> None:
        """Check conditions where positions are committed in their order: no later event may match.

        Raises:
            BoundaryConflict: an event has been appended.
        """
        for condition in conditions:
            if await self.matching(transaction, condition.criteria, condition.last, None, 1):
                raise _conflict(transaction, condition, None)

    async def check_count(self, transaction: OpenTransaction, conditions: Sequence[AppendCondition]) -> None:
        """Check conditions where an event may be committed at a lower position than those that were read: count them.

        Raises:
            BoundaryConflict: an event has been appended.
        """
        for condition in conditions:
            shape, values = _bound(condition.criteria)
            prepared = self._compiler.prepared(("count", shape), lambda shape=shape: self._number(shape))  # type: ignore[misc]
            values |= {"after": condition.since, "upto": _END}
            ((number,),) = await transaction.fetch(prepared, values, "check a boundary")
            if number != condition.number:
                raise _conflict(transaction, condition, number)

    async def add(
        self, transaction: OpenTransaction, stored: Sequence[StoredEvent], events: Sequence[NewEvent]
    ) -> None:
        """Store the tags of new events."""
        rows = [
            self._insert.bind({"tag": tag, "position": one.position, "name": one.name})
            for one, event in zip(stored, events, strict=True)
            for tag in event.tags
        ]
        if rows:
            await transaction.change_many(self._insert, rows, "store the tags of events")

    def _select(self, shape: Shape) -> Executable:
        """Select the first events. Each criterion yields its first positions, so that the cost is that of one page."""
        limited = [
            select(each.order_by(each.selected_columns.position).limit(bindparam("size")).subquery().c.position)
            for each in self._positions(shape)
        ]
        found = (limited[0] if len(limited) == 1 else union(*limited)).subquery()
        events = self._events
        selected = select(*self._columns.selected(events)).join(found, found.c.position == events.c.position)
        return selected.order_by(events.c.position).limit(bindparam("size"))

    def _number(self, shape: Shape) -> Executable:
        positions = self._positions(shape)
        found = (positions[0] if len(positions) == 1 else union(*positions)).subquery()
        return select(func.count()).select_from(found)

    def _positions(self, shape: Shape) -> list[Select[Any]]:
        """Return for each criterion the statement that selects the positions of its events."""
        return [self._criterion(index, names, tags) for index, (names, tags) in enumerate(shape)]

    def _criterion(self, index: int, names: int | None, tags: int) -> Select[Any]:
        table = self._tags.alias() if tags else self._events
        found = select(table.c.position).where(
            table.c.position > bindparam("after"), table.c.position <= bindparam("upto")
        )
        if tags:
            found = found.where(table.c.tag == bindparam(f"tag{index}_0"))
        if names is not None:
            found = found.where(table.c.name.in_([bindparam(f"name{index}_{number}") for number in range(names)]))
        for number in range(1, tags):
            other = self._tags.alias()
            found = found.where(
                select(other.c.position)
                .where(other.c.tag == bindparam(f"tag{index}_{number}"), other.c.position == table.c.position)
                .exists()
            )
        return found


def locked_tags(conditions: Sequence[AppendCondition]) -> frozenset[str] | None:
    """Return the tags whose events a decider blocks: the first one of each criterion. None: a criterion has no tags."""
    criteria = [criterion for condition in conditions for criterion in condition.criteria]
    return frozenset(each.tags[0] for each in criteria) if all(each.tags for each in criteria) else None


def _conflict(transaction: OpenTransaction, condition: AppendCondition, number: int | None) -> BoundaryConflict:
    conflict = BoundaryConflict(str(condition), expected=condition.number, actual=number)
    transaction.doom(conflict, recoverable=True)
    return conflict


def _bound(criteria: Sequence[Criterion]) -> tuple[Shape, dict[str, Any]]:
    """Return the shape of criteria, and their values."""
    shape: list[tuple[int | None, int]] = []
    values: dict[str, Any] = {}
    for index, (names, tags) in enumerate(criteria):
        shape.append((None if names is None else len(names), len(tags)))
        values |= {f"name{index}_{number}": name for number, name in enumerate(sorted(names or ()))}
        values |= {f"tag{index}_{number}": tag for number, tag in enumerate(tags)}
    return tuple(shape), values
