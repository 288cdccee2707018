"""Parked events, and events with a pending retry."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Executable, bindparam, delete, func, select, update

from twofold.ports import Edit, ParkedEvent, Position, not_parked_at

from .._connection.compiler import Compiler
from .._connection.database import Database
from .._connection.open_transaction import OpenTransaction
from .._connection.statements import Statement
from .._log.columns import EventColumns
from .._schema.tables import Tables

_OWN: Final = "key", "reason", "attempts", "parked_at", "again", "edited_at", "edited_by", "edit_reason"
"""The columns beside those of the event."""


class ParkedStatements:
    """The statements on parked events, and on events with a pending retry.

    Args:
        compiler: compiles the statements.
        tables: Twofold's tables in it.
    """

    def __init__(self, compiler: Compiler, tables: Tables) -> None:
        prepare, table = compiler.prepare, tables.parked
        self._compiler, self._table = compiler, table
        self.columns = EventColumns(compiler.columns, compiler.sql)
        mine = table.c.subscription == bindparam("of")
        this, of_key = table.c.position == bindparam("at"), table.c.key == bindparam("of_key")
        own = (*(table.c[name] for name in _OWN),)
        self._every = select(*self.columns.selected(table), *own).where(mine).order_by(table.c.number)
        self.number = prepare(select(table.c.number).where(mine, this))
        self.keys = prepare(select(table.c.key, func.count()).where(mine).group_by(table.c.key))
        self.retries = prepare(select(table.c.key, table.c.again).where(mine, table.c.again.is_not(None)))
        self.first = prepare(select(table.c.position).where(mine, of_key).order_by(table.c.number).limit(1))
        self.names = ("subscription", "position", *_OWN, *EventColumns.WRITTEN)
        new: dict[str, Any] = {name: bindparam(name) for name in self.names}
        self.insert = prepare(compiler.sql.insert_new(table).values(new))
        self.delete = prepare(delete(table).where(mine, this))
        self.delete_all = prepare(delete(table).where(mine))
        changed: dict[str, Any] = {name: bindparam(f"new_{name}") for name in (*_OWN[1:], "schema_version", "data")}
        self.update = prepare(update(table).where(mine, this).values(changed))
        self.retry = prepare(update(table).where(mine, this).values(again=bindparam("new_again")))
        self.move_all = prepare(update(table).where(mine).values(subscription=bindparam("new_name")))

    def page(self, filters: Collection[str]) -> Statement:
        """Return the statement that reads a page with some of the parameters "of_key", "error", "after" and "limit"."""
        return self._compiler.prepared(("parked", *sorted(filters)), lambda: self._page(filters))

    def _page(self, filters: Collection[str]) -> Executable:
        table, page = self._table, self._every
        conditions: dict[str, Callable[[], ColumnElement[bool]]] = {
            "of_key": lambda: table.c.key == bindparam("of_key"),
            "error": lambda: func.substr(table.c.reason, 1, bindparam("length")) == bindparam("error"),
            "after": lambda: table.c.number > bindparam("after"),
        }
        page = page.where(*(condition() for name, condition in conditions.items() if name in filters))
        return page.limit(bindparam("limit")) if "limit" in filters else page

    def own(self, parked: ParkedEvent) -> tuple[Any, ...]:
        """Return the values of the columns beside those of the event, except the key."""
        time, edit = self.columns.time, parked.edit
        edited = (None, None, None) if edit is None else (time(edit.time), edit.by, edit.reason)
        return (parked.reason, parked.attempts, time(parked.time), time(parked.again), *edited)

    def parked(self, row: Sequence[Any]) -> ParkedEvent:
        """Return the event of a row of `read`."""
        time = self.columns.read_time
        *event, key, reason, attempts, parked_at, again, edited_at, by, why = row
        edit = None if edited_at is None else Edit(time(edited_at), by, why)
        return ParkedEvent(self.columns.stored(event), key, reason, attempts, time(parked_at), time(again), edit)

    def row(self, subscription: str, parked: ParkedEvent) -> tuple[Any, ...]:
        """Return the parameters that insert an event."""
        event, own = parked.event, (parked.key, *self.own(parked))
        stored = self.columns.values(event.stream, event.version, event)
        return self.insert.bind(dict(zip(self.names, (subscription, event.position, *own, *stored), strict=True)))


class SqlParkedReader:
    """A `ParkedEventReader`."""

    def __init__(self, database: Database, statements: ParkedStatements) -> None:
        self._database = database
        self._statements = statements

    async def read(
        self,
        subscription: str,
        *,
        key: str | None = None,
        error: str | None = None,
        after: Position | None = None,
        limit: int | None = None,
    ) -> Sequence[ParkedEvent]:
        """Return a page of the events in the order in which they were parked."""
        action = f"read the parked events of {subscription}"
        number: int | None = None
        if after is not None:
            found = await self._database.fetch(self._statements.number, {"of": subscription, "at": after}, action)
            if not found:
                raise not_parked_at(subscription, after)
            number = found[0][0]
        begin = None if error is None else f"{error}:"
        values = {"of_key": key, "error": begin, "after": number, "limit": limit}
        statement = self._statements.page([name for name, value in values.items() if value is not None])
        parameters = {"of": subscription, "length": len(begin or ""), **values}
        rows = await self._database.fetch(statement, parameters, action)
        return [self._statements.parked(row) for row in rows]

    async def keys(self, subscription: str) -> Mapping[str, int]:
        """Return the keys that have events, each with their number."""
        action = f"read the parked keys of {subscription}"
        return dict(await self._database.fetch(self._statements.keys, {"of": subscription}, action))

    async def retries(self, subscription: str) -> Mapping[str, datetime]:
        """Return the keys with a pending retry, each with its time."""
        action = f"read the retries of {subscription}"
        rows = await self._database.fetch(self._statements.retries, {"of": subscription}, action)
        return {key: self._statements.columns.read_time(again) for key, again in rows}


class SqlParkedWriter:
    """A `ParkedEventWriter`."""

    __slots__ = ("_statements", "_transaction")

    def __init__(self, transaction: OpenTransaction, statements: ParkedStatements) -> None:
        self._transaction = transaction
        self._statements = statements

    async def add(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        """Park events. An event that is already parked is skipped."""
        action = f"park events of {subscription}"
        self._transaction.check_writable(action)
        if events:
            rows = [self._statements.row(subscription, parked) for parked in events]
            await self._transaction.change_many(self._statements.insert, rows, action)

    async def remove(self, subscription: str, positions: Sequence[Position]) -> int:
        """Delete events by their position; return how many were deleted."""
        action, delete = f"delete parked events of {subscription}", self._statements.delete
        self._transaction.check_writable(action)
        return sum([await self._transaction.change(delete, {"of": subscription, "at": at}, action) for at in positions])

    async def update(self, subscription: str, parked: ParkedEvent) -> None:
        """Replace reason, attempts, time, next retry and edit of an event, and its data and schema."""
        action = f"update a parked event of {subscription}"
        self._transaction.check_writable(action)
        own = zip(_OWN[1:], self._statements.own(parked), strict=True)
        values = {
            "of": subscription,
            "at": parked.event.position,
            **{f"new_{name}": value for name, value in own},
            "new_schema_version": parked.event.schema,
            "new_data": parked.event.data,
        }
        await self._transaction.change(self._statements.update, values, action)

    async def retry(self, subscription: str, key: str, *, at: datetime) -> bool:
        """Set the next retry of the first event of a key."""
        action, statements = f"retry {key!r} of {subscription}", self._statements
        self._transaction.check_writable(action)
        for (position,) in await self._transaction.fetch(statements.first, {"of": subscription, "of_key": key}, action):
            values = {"of": subscription, "at": position, "new_again": statements.columns.time(at)}
            return await self._transaction.change(statements.retry, values, action) > 0
        return False

    async def adopt(self, subscription: str, *, of: str) -> None:
        """Replace all events of a subscription by those of another subscription."""
        action = f"adopt the parked events of {of}"
        self._transaction.check_writable(action)
        await self._transaction.change(self._statements.delete_all, {"of": subscription}, action)
        await self._transaction.change(self._statements.move_all, {"of": of, "new_name": subscription}, action)
