"""Unique values."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, delete, select, update

from twofold.ports import UniqueValue

from .._connection.compiler import Compiler
from .._connection.open_transaction import OpenTransaction
from .._dialects.codec import Kind
from .._schema.tables import Tables

_CLAIM: Final = "claim a unique value"
_RELEASE: Final = "release a unique value"
_TRANSFER: Final = "transfer a unique value"


class UniqueStatements:
    """The statements on unique values.

    Args:
        compiler: compiles the statements.
        tables: Twofold's tables in it.
    """

    def __init__(self, compiler: Compiler, tables: Tables) -> None:
        prepare, sql, unique = compiler.prepare, compiler.sql, tables.unique
        self.time = compiler.columns.codec(Kind.DATETIME)
        self.claim = prepare(sql.insert_new(unique).values({name: bindparam(name) for name in UniqueValue._fields}))
        this = unique.c.key == bindparam("this")
        found = [unique.c[name] for name in UniqueValue._fields]
        # A locking read returns the row that the insert met, whatever the transaction read before.
        self.find = prepare(select(*found).where(this).with_for_update(read=True, key_share=True))
        owned = this, unique.c.owner == bindparam("of")
        self.release = prepare(delete(unique).where(*owned))
        new: dict[str, Any] = {"owner": bindparam("new_owner"), "time": bindparam("new_time")}
        self.transfer = prepare(update(unique).where(*owned).values(new))

    def encoded(self, time: datetime) -> Any:
        """Return a time for the driver."""
        return self.time.encode(time) if self.time.encode else time

    def decoded(self, row: Any) -> UniqueValue:
        """Return the record of a row."""
        key, tenant, scope, owner, time = row
        return UniqueValue(key, tenant, scope, owner, self.time.decode(time) if self.time.decode else time)


class SqlUnique:
    """The `UniqueValues` of a transaction.

    A claim is an insert. It waits while another transaction holds the same value uncommitted. After that transaction has
    committed, the insert changes no row.
    """

    __slots__ = ("_statements", "_transaction")

    def __init__(self, transaction: OpenTransaction, statements: UniqueStatements) -> None:
        self._transaction = transaction
        self._statements = statements

    async def claim(self, value: UniqueValue) -> UniqueValue | None:
        """Store a record, or return the record that is already stored."""
        transaction, statements = self._transaction, self._statements
        transaction.check_writable(_CLAIM)
        values = {**value._asdict(), "time": statements.encoded(value.time)}
        while not await transaction.change(statements.claim, values, _CLAIM):
            for row in await transaction.fetch(statements.find, {"this": value.key}, _CLAIM):
                return statements.decoded(row)
            # Another transaction has released the value in between.
        return None

    async def release(self, value: UniqueValue) -> bool:
        """Delete the record of a value, if its owner is the one given."""
        self._transaction.check_writable(_RELEASE)
        values = {"this": value.key, "of": value.owner}
        return bool(await self._transaction.change(self._statements.release, values, _RELEASE))

    async def transfer(self, value: UniqueValue, *, to: str) -> bool:
        """Replace the owner of a value, if its owner is the one given."""
        self._transaction.check_writable(_TRANSFER)
        new = {"new_owner": to, "new_time": self._statements.encoded(value.time)}
        values = {"this": value.key, "of": value.owner, **new}
        return bool(await self._transaction.change(self._statements.transfer, values, _TRANSFER))
