"""The schedule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import bindparam, delete, or_, select, update

from twofold.ports import STORED_YEARS, ScheduledCommand

from .._connection.compiler import Compiler
from .._connection.database import Database
from .._connection.open_transaction import OpenTransaction
from .._connection.statements import Statement
from .._dialects.codec import Kind
from .._schema.tables import Tables

_PUT: Final = "schedule a command"
_CANCEL: Final = "cancel a scheduled command"
_TAKE: Final = "take a scheduled command"
_POSTPONE: Final = "postpone a scheduled command"
_READ: Final = "read the schedule"

_TIMES: Final = ("due", "again")
_LATEST: Final = datetime(STORED_YEARS[-1] + 1, 1, 1, tzinfo=UTC)
"""No entry is due so late, unless another program has written its time."""


class ScheduleStatements:
    """The statements on the schedule.

    Args:
        compiler: compiles the statements.
        tables: Twofold's tables in it.
    """

    def __init__(self, compiler: Compiler, tables: Tables) -> None:
        prepare, sql, table = compiler.prepare, compiler.sql, tables.schedule
        time = compiler.columns.codec(Kind.DATETIME)
        self._codecs = {"entry": compiler.columns.codec(Kind.UUID), "due": time, "again": time}
        self.insert = prepare(
            sql.insert_new(table).values({name: bindparam(name) for name in ScheduledCommand._fields})
        )
        named = table.c.tenant == bindparam("of"), table.c.id == bindparam("this")
        exact = (*named, table.c.entry == bindparam("very"))
        self.delete = prepare(delete(table).where(*named))
        # Locked entries are skipped: another transaction handles their commands.
        self.lock = prepare(select(table.c.id).where(*exact).with_for_update(skip_locked=True))
        self.take = prepare(delete(table).where(*exact))
        new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in ("again", "attempts", "reason")}
        self.postpone = prepare(update(table).where(*exact).values(new))
        readable = dict.fromkeys(("data", "metadata"), sql.readable)
        readable |= dict.fromkeys(_TIMES, sql.any_time)
        columns = [
            readable[name](table.c[name]) if name in readable else table.c[name] for name in ScheduledCommand._fields
        ]
        some = select(*columns).limit(bindparam("size"))
        again, latest = table.c.again, bindparam("latest", self.encode("again", _LATEST), table.c.again.type)
        self.next = prepare(some.where(again < latest).order_by(again, table.c.tenant, table.c.id))
        stuck = or_(again.is_(None), again >= latest)
        self.stuck = prepare(some.where(stuck).order_by(table.c.due, table.c.tenant, table.c.id))
        self._time_of = sql.time_of

    def values(self, command: ScheduledCommand) -> dict[str, Any]:
        """Return the columns of an entry."""
        values = command._asdict()
        return values | {name: self.encode(name, values[name]) for name in self._codecs}

    def exactly(self, command: ScheduledCommand) -> dict[str, Any]:
        """Return the values that identify exactly this entry."""
        return {"of": command.tenant, "this": command.id, "very": self.encode("entry", command.entry)}

    def encode(self, name: str, value: Any) -> Any:
        """Return the value of a column for the driver."""
        encode = self._codecs[name].encode
        return value if value is None or encode is None else encode(value)

    def decode(self, row: Sequence[Any]) -> ScheduledCommand:
        """Return the entry of a row. A time that cannot be decoded, or that no entry can have, is returned as None."""
        values = dict(zip(ScheduledCommand._fields, row, strict=True))
        for name in _TIMES:
            try:
                time = None if values[name] is None else self._time_of(values[name])
            except Exception:  # noqa: BLE001 -- another program may have stored anything
                time = None
            values[name] = time if time is not None and time.year in STORED_YEARS else None
        entry = self._codecs["entry"].decode
        if entry is not None:
            values["entry"] = entry(values["entry"])
        return ScheduledCommand(**values)


class SqlScheduleReader:
    """A `ScheduleReader`."""

    def __init__(self, database: Database, statements: ScheduleStatements) -> None:
        self._database = database
        self._statements = statements

    async def next(self, *, limit: int) -> Sequence[ScheduledCommand]:
        """Return entries in the order of their next attempt."""
        return await self._read(self._statements.next, limit)

    async def stuck(self, *, limit: int) -> Sequence[ScheduledCommand]:
        """Return entries whose attempts all failed."""
        return await self._read(self._statements.stuck, limit)

    async def _read(self, statement: Statement, limit: int) -> Sequence[ScheduledCommand]:
        rows = await self._database.fetch(statement, {"size": limit}, _READ)
        return [self._statements.decode(row) for row in rows]


class SqlScheduleWriter:
    """A `ScheduleWriter`."""

    __slots__ = ("_statements", "_transaction")

    def __init__(self, transaction: OpenTransaction, statements: ScheduleStatements) -> None:
        self._transaction = transaction
        self._statements = statements

    async def put(self, command: ScheduledCommand) -> None:
        """Store an entry."""
        transaction, statements = self._transaction, self._statements
        transaction.check_writable(_PUT)
        values = statements.values(command)
        while True:
            await transaction.change(statements.delete, {"of": command.tenant, "this": command.id}, _PUT)
            if await transaction.change(statements.insert, values, _PUT):
                return
            # Another transaction has stored an entry with the same id in between.

    async def cancel(self, tenant: str, id: str) -> bool:
        """Delete an entry; return whether there was one."""
        self._transaction.check_writable(_CANCEL)
        return bool(await self._transaction.change(self._statements.delete, {"of": tenant, "this": id}, _CANCEL))

    async def take(self, command: ScheduledCommand) -> bool:
        """Delete exactly this entry, unless another transaction has locked it."""
        transaction, statements = self._transaction, self._statements
        transaction.check_writable(_TAKE)
        entry = statements.exactly(command)
        return bool(await transaction.fetch(statements.lock, entry, _TAKE)) and bool(
            await transaction.change(statements.take, entry, _TAKE)
        )

    async def postpone(self, command: ScheduledCommand, *, again: datetime | None, attempts: int, reason: str) -> bool:
        """Set the next attempt of exactly this entry."""
        self._transaction.check_writable(_POSTPONE)
        statements = self._statements
        new = {"new_again": statements.encode("again", again), "new_attempts": attempts, "new_reason": reason}
        return bool(
            await self._transaction.change(statements.postpone, {**statements.exactly(command), **new}, _POSTPONE)
        )
