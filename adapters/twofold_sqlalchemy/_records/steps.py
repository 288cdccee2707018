"""The outcomes of durable steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, delete, select, update

from twofold.ports import StepRecord

from .._connection.compiler import Compiler
from .._connection.database import Database
from .._connection.open_transaction import OpenTransaction
from .._connection.statements import Statement
from .._dialects.codec import Kind
from .._schema.tables import Tables

_BEGIN: Final = "record the begin of a step"
_KEEP: Final = "store the outcome of a step"
_DELETE: Final = "delete the outcomes of steps"
_READ: Final = "read the outcomes of steps"

_KEY: Final = ("owner", "input", "name")


class StepStatements:
    """The statements on the outcomes of steps.

    Args:
        compiler: compiles the statements.
        tables: Twofold's tables in it.
    """

    def __init__(self, compiler: Compiler, tables: Tables) -> None:
        prepare, sql, table = compiler.prepare, compiler.sql, tables.steps
        self._time, self._uuid = compiler.columns.codec(Kind.DATETIME), compiler.columns.codec(Kind.UUID)
        self.insert = prepare(sql.insert_new(table).values({name: bindparam(name) for name in StepRecord._fields}))
        of = [table.c[name] == bindparam(f"its_{name}") for name in _KEY]
        found = [sql.readable(table.c[name]) if name == "outcome" else table.c[name] for name in StepRecord._fields]
        # A locking read returns the row that the insert met, whatever the transaction read before.
        self.find = prepare(select(*found).where(*of).with_for_update(read=True, key_share=True))
        self.read = prepare(select(*found).where(*of[:2]).order_by(table.c.name))
        new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in ("state", "outcome", "time")}
        self.complete = prepare(update(table).where(*of, table.c.outcome.is_(None)).values(new))
        self.delete = prepare(delete(table).where(*of))
        self.delete_all = prepare(delete(table).where(*of[:2]))

    def key(self, owner: str, input: UUID, name: str | None = None) -> dict[str, Any]:
        """Return the values that identify a record, or those that identify the records of an input."""
        values = {"its_owner": owner, "its_input": self._uuid.encode(input) if self._uuid.encode else input}
        return values if name is None else {**values, "its_name": name}

    def values(self, record: StepRecord) -> dict[str, Any]:
        """Return the columns of a record."""
        encode, key = self._time.encode, self.key(record.owner, record.input)
        time = encode(record.time) if encode else record.time
        return {**record._asdict(), "input": key["its_input"], "time": time}

    def decoded(self, row: Sequence[Any]) -> StepRecord:
        """Return the record of a row."""
        owner, uuid, name, state, outcome, time = row
        return StepRecord(
            owner,
            self._uuid.decode(uuid) if self._uuid.decode else uuid,
            name,
            state,
            outcome,
            self._time.decode(time) if self._time.decode else time,
        )


class SqlStepReader:
    """A `StepReader`."""

    def __init__(self, database: Database, statements: StepStatements) -> None:
        self._database = database
        self._statements = statements

    async def read(self, owner: str, input: UUID) -> Sequence[StepRecord]:
        """Return the records of an input."""
        rows = await self._database.fetch(self._statements.read, self._statements.key(owner, input), _READ)
        return [self._statements.decoded(row) for row in rows]


class SqlSteps:
    """The `StepResults` of a transaction.

    A record is inserted. The insert waits while another transaction holds a record of the same step uncommitted. After that
    transaction has committed, the insert changes no row.
    """

    __slots__ = ("_statements", "_transaction")

    def __init__(self, transaction: OpenTransaction, statements: StepStatements) -> None:
        self._transaction = transaction
        self._statements = statements

    async def begin(self, record: StepRecord) -> StepRecord | None:
        """Store a record without an outcome, unless there is a record of the step."""
        self._transaction.check_writable(_BEGIN)
        return await self._insert(record, _BEGIN)

    async def keep(self, record: StepRecord) -> StepRecord:
        """Store an outcome, unless one is stored."""
        transaction, statements = self._transaction, self._statements
        transaction.check_writable(_KEEP)
        while True:
            found = await self._insert(record, _KEEP)
            if found is None or found.outcome is not None:
                return found or record
            new = {f"new_{name}": value for name, value in statements.values(record).items() if name not in _KEY}
            if await transaction.change(statements.complete, {**self._key(record), **new}, _KEEP):
                return record
            # Another transaction has stored an outcome, or deleted the record, in between.

    async def delete(self, owner: str, input: UUID, name: str | None = None) -> int:
        """Delete the record of a step, or all records of an input."""
        self._transaction.check_writable(_DELETE)
        statement: Statement = self._statements.delete_all if name is None else self._statements.delete
        return await self._transaction.change(statement, self._statements.key(owner, input, name), _DELETE)

    async def _insert(self, record: StepRecord, action: str) -> StepRecord | None:
        """Insert a record; return the record that is stored already, or None."""
        transaction, statements = self._transaction, self._statements
        while not await transaction.change(statements.insert, statements.values(record), action):
            for row in await transaction.fetch(statements.find, self._key(record), action):
                return statements.decoded(row)
            # Another transaction has deleted the record in between.
        return None

    def _key(self, record: StepRecord) -> dict[str, Any]:
        return self._statements.key(record.owner, record.input, record.name)
