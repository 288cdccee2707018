"""Idempotency keys of commands."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import bindparam, select, update

from twofold.ports import KeyRecord

from .._connection.compiler import Compiler
from .._connection.open_transaction import OpenTransaction
from .._dialects.codec import Kind
from .._schema.tables import Tables

_CLAIM: Final = "claim an idempotency key"
_ANSWER: Final = "record the answer to an idempotency key"


class KeyStatements:
    """The statements on idempotency keys.

    Args:
        compiler: compiles the statements.
        tables: Twofold's tables in it.
    """

    def __init__(self, compiler: Compiler, tables: Tables) -> None:
        prepare, sql, keys = compiler.prepare, compiler.sql, tables.keys
        self.time = compiler.columns.codec(Kind.DATETIME)
        new: dict[str, Any] = {name: bindparam(name) for name in ("tenant", "key", "command", "payload", "time")}
        self.claim = prepare(sql.insert_new(keys).values({**new, "result": None, "token": ""}))
        this = (keys.c.tenant == bindparam("of"), keys.c.key == bindparam("this"))
        found = (keys.c.command, keys.c.payload, keys.c.time, sql.readable(keys.c.result), keys.c.token)
        # A locking read returns the row that the insert met, whatever the transaction read before.
        self.find = prepare(select(*found).where(*this).with_for_update(read=True, key_share=True))
        answer: dict[str, Any] = {"result": bindparam("new_result"), "token": bindparam("new_token")}
        self.answer = prepare(update(keys).where(*this).values(answer))


class SqlKeys:
    """The `IdempotencyKeys` of a transaction.

    A claim is an insert. It waits while another transaction holds the same key uncommitted. After that transaction has
    committed, the insert changes no row.
    """

    __slots__ = ("_statements", "_transaction")

    def __init__(self, transaction: OpenTransaction, statements: KeyStatements) -> None:
        self._transaction = transaction
        self._statements = statements

    async def claim(self, tenant: str, key: str, record: KeyRecord) -> KeyRecord | None:
        """Store a record, or return the record that is already stored."""
        transaction, statements, time = self._transaction, self._statements, self._statements.time
        transaction.check_writable(_CLAIM)
        values = {
            "tenant": tenant,
            "key": key,
            "command": record.command,
            "payload": record.payload,
            "time": time.encode(record.time) if time.encode else record.time,
        }
        while not await transaction.change(statements.claim, values, _CLAIM):
            for command, payload, stored, result, token in await transaction.fetch(
                statements.find, {"of": tenant, "this": key}, _CLAIM
            ):
                return KeyRecord(command, payload, time.decode(stored) if time.decode else stored, result, token)
            # Another transaction deleted the record in between.
        return None

    async def answer(self, tenant: str, key: str, *, result: str, token: str) -> None:
        """Store result and token in a record."""
        self._transaction.check_writable(_ANSWER)
        values = {"of": tenant, "this": key, "new_result": result, "new_token": token}
        await self._transaction.change(self._statements.answer, values, _ANSWER)
