"""Processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, and_, bindparam, delete, func, or_, select, update

from twofold.ports import Position, ProcessRecord, ProcessState

from .._connection.compiler import Compiler
from .._connection.database import Database
from .._connection.open_transaction import OpenTransaction
from .._dialects.codec import Kind
from .._schema.tables import Tables

_READ: Final = "read processes"
_WRITE: Final = "store a process"
_DELETE: Final = "delete ended processes"
_ENDED: Final = ("completed", "failed")
_BATCH: Final = 20
"""The number of keys that one statement reads."""


class ProcessStatements:
    """The statements on processes.

    Args:
        compiler: compiles the statements.
        tables: Twofold's tables in it.
    """

    def __init__(self, compiler: Compiler, tables: Tables) -> None:
        prepare, sql, self.table = compiler.prepare, compiler.sql, tables.processes
        table, names = self.table, ProcessRecord._fields
        self._codecs = {
            "incarnation": compiler.columns.codec(Kind.UUID),
            "time": compiler.columns.codec(Kind.DATETIME),
        }
        readable = {"data", "progress"}
        self._columns = [sql.readable(table.c[name]) if name in readable else table.c[name] for name in names]
        named = table.c.process == bindparam("of")
        self.find = prepare(select(*self._columns).where(named, table.c.key == bindparam("this")))
        some = [table.c.key == bindparam(f"key_{number}") for number in range(_BATCH)]
        self.find_some = prepare(select(*self._columns).where(named, or_(*some)))
        new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names[2:]}
        self.update = prepare(update(table).where(named, table.c.key == bindparam("this")).values(new))
        self.insert = prepare(sql.insert_new(table).values({name: bindparam(name) for name in names}))
        self.counts = prepare(
            select(table.c.process, table.c.state, func.count()).group_by(table.c.process, table.c.state)
        )
        is_old = table.c.state == bindparam("ended"), table.c.time < bindparam("before")
        oldest = select(table.c.process, table.c.key).where(*is_old).order_by(table.c.time).limit(bindparam("size"))
        self.find_old = prepare(oldest)
        self.delete = prepare(delete(table).where(named, table.c.key == bindparam("this"), *is_old))

    def list(self, process: str | None, state: str | None, after: tuple[str, str] | None) -> Select[Any]:
        """Return the statement of a list."""
        table = self.table
        statement = select(*self._columns).order_by(table.c.process, table.c.key).limit(bindparam("size"))
        if process is not None:
            statement = statement.where(table.c.process == bindparam("of"))
        if state is not None:
            statement = statement.where(table.c.state == bindparam("is"))
        if after is not None:
            later = and_(table.c.process == bindparam("from_process"), table.c.key > bindparam("from_key"))
            statement = statement.where(or_(table.c.process > bindparam("from_later"), later))
        return statement

    def encode(self, record: ProcessRecord) -> dict[str, Any]:
        """Return the columns of a process."""
        values = record._asdict()
        return values | {name: self.value(name, values[name]) for name in self._codecs}

    def value(self, name: str, value: Any) -> Any:
        """Return the value of a column for the driver."""
        encode = self._codecs[name].encode
        return value if encode is None else encode(value)

    def decode(self, row: Sequence[Any]) -> ProcessRecord:
        """Return the process of a row."""
        values = dict(zip(ProcessRecord._fields, row, strict=True))
        for name, codec in self._codecs.items():
            if codec.decode is not None:
                values[name] = codec.decode(values[name])
        return ProcessRecord(**{**values, "position": Position(values["position"])})


class SqlProcessReader:
    """A `ProcessReader`."""

    def __init__(self, database: Database, statements: ProcessStatements) -> None:
        self._database = database
        self._statements = statements

    async def get(self, process: str, key: str) -> ProcessRecord | None:
        """Return the last incarnation of a key, or None."""
        rows = await self._database.fetch(self._statements.find, {"of": process, "this": key}, _READ)
        return self._statements.decode(rows[0]) if rows else None

    async def list(
        self,
        *,
        process: str | None = None,
        state: ProcessState | None = None,
        after: tuple[str, str] | None = None,
        limit: int,
    ) -> Sequence[ProcessRecord]:
        """Return processes in the order of their names and keys."""
        shape = ("list processes", process is None, state is None, after is None)
        statement = self._database.compiler.prepared(shape, lambda: self._statements.list(process, state, after))
        values: dict[str, Any] = {"size": limit}
        if process is not None:
            values["of"] = process
        if state is not None:
            values["is"] = state
        if after is not None:
            values |= {"from_process": after[0], "from_later": after[0], "from_key": after[1]}
        return [self._statements.decode(row) for row in await self._database.fetch(statement, values, _READ)]

    async def counts(self) -> Mapping[tuple[str, ProcessState], int]:
        """Return the number of processes by name and state."""
        rows = await self._database.fetch(self._statements.counts, {}, "count processes")
        return {(process, state): count for process, state, count in rows}

    async def delete(self, *, before: datetime, limit: int) -> int:
        """Delete ended processes. Concurrent calls delete in the same order, so that they cannot deadlock."""
        statements, until, deleted = self._statements, self._statements.value("time", before), 0
        for state in _ENDED:
            old = {"ended": state, "before": until}
            found = await self._database.fetch(statements.find_old, {**old, "size": limit - deleted}, _DELETE)
            rows = sorted((process, key) for process, key in found)
            if rows:
                bound = [statements.delete.bind({**old, "of": process, "this": key}) for process, key in rows]
                async with self._database.writing() as transaction:
                    await transaction.change_many(statements.delete, bound, _DELETE)
            deleted += len(rows)
        return deleted


class SqlProcessWriter:
    """A `ProcessWriter`."""

    __slots__ = ("_statements", "_transaction")

    def __init__(self, transaction: OpenTransaction, statements: ProcessStatements) -> None:
        self._transaction = transaction
        self._statements = statements

    async def read(self, process: str, keys: Sequence[str]) -> Mapping[str, ProcessRecord]:
        """Return the last incarnations of keys."""
        statements, found, wanted = self._statements, list[ProcessRecord](), list(dict.fromkeys(keys))
        if len(wanted) == 1:
            rows = await self._transaction.fetch(statements.find, {"of": process, "this": wanted[0]}, _READ)
            found += map(statements.decode, rows)
        for first in range(0, len(wanted) if len(wanted) > 1 else 0, _BATCH):
            some = wanted[first : first + _BATCH]
            padded = {f"key_{number}": some[min(number, len(some) - 1)] for number in range(_BATCH)}
            rows = await self._transaction.fetch(statements.find_some, {"of": process, **padded}, _READ)
            found += map(statements.decode, rows)
        return {record.key: record for record in found}

    async def write(self, records: Sequence[ProcessRecord]) -> None:
        """Store processes."""
        transaction, statements = self._transaction, self._statements
        transaction.check_writable(_WRITE)
        for record in records:
            values = statements.encode(record)
            new = {"of": record.process, "this": record.key} | {f"new_{name}": value for name, value in values.items()}
            while not await transaction.change(statements.update, new, _WRITE) and not await transaction.change(
                statements.insert, values, _WRITE
            ):
                pass  # another transaction has stored the key in between
