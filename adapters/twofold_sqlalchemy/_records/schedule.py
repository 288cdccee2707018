"""The schedule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, delete, select, update

from twofold.ports import ScheduledCommand

from .._connection.database import Database
from .._connection.open_transaction import Link
from .._dialects.codec import Kind
from .._schema.tables import Tables

_SCHEDULE: Final = "schedule a command"
_CANCEL: Final = "cancel a scheduled command"
_TAKE: Final = "take a scheduled command"
_POSTPONE: Final = "postpone a scheduled command"
_LOOK: Final = "look for scheduled commands"


class Schedule:
    """The commands that wait for their time.

    Args:
        database: the database.
        tables: Twofold's tables in it.
    """

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database = database
        prepare, dialect = database.prepare, database.dialect
        time = dialect.columns.codec(Kind.DATETIME)
        self._codecs = {"entry": dialect.columns.codec(Kind.UUID), "due": time, "again": time}
        table = tables.schedule
        self._insert = prepare(
            dialect.sql.insert_new(table).values({name: bindparam(name) for name in ScheduledCommand._fields})
        )
        of, this = table.c.tenant == bindparam("of"), table.c.id == bindparam("this")
        very = table.c.entry == bindparam("very")
        self._delete = prepare(delete(table).where(of, this))
        # One that another transaction holds is left to it: nobody waits for a command that somebody else handles.
        self._free = prepare(select(table.c.id).where(of, this, very).with_for_update(skip_locked=True))
        self._take = prepare(delete(table).where(of, this, very))
        new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in ("again", "attempts", "reason")}
        self._postpone = prepare(update(table).where(of, this, very).values(new))
        columns = [
            dialect.sql.readable(table.c[name]) if name in ("data", "metadata") else table.c[name]
            for name in ScheduledCommand._fields
        ]
        first = select(*columns).limit(bindparam("size"))
        self._next = prepare(
            first.where(table.c.again.is_not(None)).order_by(table.c.again, table.c.tenant, table.c.id)
        )
        self._stuck = prepare(first.where(table.c.again.is_(None)).order_by(table.c.due, table.c.tenant, table.c.id))

    async def put(self, link: Link, command: ScheduledCommand) -> None:
        """Write an entry; see `ScheduleTransaction.schedule`."""
        link.check_writable(_SCHEDULE)
        values = command._asdict()
        values |= {name: self._encode(name, values[name]) for name in self._codecs}
        while True:
            await link.change(self._delete, {"of": command.tenant, "this": command.id}, _SCHEDULE)
            if await link.change(self._insert, values, _SCHEDULE):
                return
            # Another transaction has scheduled something under the same id in between.

    async def drop(self, link: Link, tenant: str, id: str) -> bool:
        """Remove an entry; see `ScheduleTransaction.unschedule`."""
        link.check_writable(_CANCEL)
        return bool(await link.change(self._delete, {"of": tenant, "this": id}, _CANCEL))

    async def take(self, link: Link, command: ScheduledCommand) -> bool:
        """Remove this very entry; see `ScheduleTransaction.take_scheduled`."""
        link.check_writable(_TAKE)
        very = self._very(command)
        return bool(await link.fetch(self._free, very, _TAKE)) and bool(await link.change(self._take, very, _TAKE))

    async def postpone(
        self, link: Link, command: ScheduledCommand, again: datetime | None, attempts: int, reason: str
    ) -> bool:
        """Write when this very entry is tried next; see `ScheduleTransaction.postpone`."""
        link.check_writable(_POSTPONE)
        new = {"new_again": self._encode("again", again), "new_attempts": attempts, "new_reason": reason}
        return bool(await link.change(self._postpone, {**self._very(command), **new}, _POSTPONE))

    async def next(self, limit: int) -> Sequence[ScheduledCommand]:
        """Return what is tried next."""
        return [self._read(row) for row in await self._database.fetch(self._next, {"size": limit}, _LOOK)]

    async def stuck(self, limit: int) -> Sequence[ScheduledCommand]:
        """Return what has failed too often."""
        return [self._read(row) for row in await self._database.fetch(self._stuck, {"size": limit}, _LOOK)]

    def _very(self, command: ScheduledCommand) -> dict[str, Any]:
        return {"of": command.tenant, "this": command.id, "very": self._encode("entry", command.entry)}

    def _encode(self, name: str, value: Any) -> Any:
        encode = self._codecs[name].encode
        return value if value is None or encode is None else encode(value)

    def _read(self, row: Sequence[Any]) -> ScheduledCommand:
        values = dict(zip(ScheduledCommand._fields, row, strict=True))
        for name, codec in self._codecs.items():
            if codec.decode is not None and values[name] is not None:
                values[name] = codec.decode(values[name])
        return ScheduledCommand(**values)
