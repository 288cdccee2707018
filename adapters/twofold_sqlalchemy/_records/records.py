"""Records of what was done once: idempotency keys and the inbox."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Table, bindparam, delete, select, update

from twofold.ports import KeyRecord

from .._connection.database import Database
from .._connection.open_transaction import Link
from .._connection.statements import Statement
from .._dialects.codec import Kind
from .._schema.tables import Tables

_CLAIM: Final = "claim an idempotency key"
_ANSWER: Final = "record the answer to an idempotency key"
_RECEIVE: Final = "note a message in the inbox"
_FORGET: Final = "forget old records"


class Records:
    """The rows of keys and messages.

    A claim is an insert. While another transaction holds the same key uncommitted the database lets it wait; once that one
    has committed, the insert leaves the row alone and says so.

    Args:
        database: the database.
        tables: Twofold's tables in it.
    """

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database = database
        prepare, dialect = database.prepare, database.dialect
        time = dialect.columns.codec(Kind.DATETIME)
        self._put, self._get = time.encode or _same, time.decode or _same
        keys, inbox = tables.keys, tables.inbox
        claimed: dict[str, Any] = {name: bindparam(name) for name in ("tenant", "key", "command", "payload", "time")}
        self._claim = prepare(dialect.sql.insert_new(keys).values({**claimed, "result": None, "token": ""}))
        this = (keys.c.tenant == bindparam("of"), keys.c.key == bindparam("this"))
        found = (keys.c.command, keys.c.payload, keys.c.time, dialect.sql.readable(keys.c.result), keys.c.token)
        # Locked, so that it is the row that the insert met, whatever the transaction saw before.
        self._found = prepare(select(*found).where(*this).with_for_update(read=True, key_share=True))
        answered: dict[str, Any] = {"result": bindparam("new_result"), "token": bindparam("new_token")}
        self._answer = prepare(update(keys).where(*this).values(answered))
        taken: dict[str, Any] = {name: bindparam(name) for name in ("consumer", "id", "time")}
        self._receive = prepare(dialect.sql.insert_new(inbox).values(taken))
        self._old_keys, self._forget_keys = self._forgetting(keys)
        self._old_messages, self._forget_messages = self._forgetting(inbox)

    async def claim_key(self, link: Link, tenant: str, key: str, record: KeyRecord) -> KeyRecord | None:
        """Claim a key; see `RecordTransaction.claim_key`."""
        link.check_writable(_CLAIM)
        command, payload, time = record[:3]
        values = {"tenant": tenant, "key": key, "command": command, "payload": payload, "time": self._put(time)}
        while not await link.change(self._claim, values, _CLAIM):
            for found in await link.fetch(self._found, {"of": tenant, "this": key}, _CLAIM):
                command, payload, time, result, token = found
                return KeyRecord(command, payload, self._get(time), result, token)
            # It was there and is not any more: it was forgotten in between.
        return None

    async def answer_key(self, link: Link, tenant: str, key: str, result: str, token: str) -> None:
        """Write the answer; see `RecordTransaction.answer_key`."""
        link.check_writable(_ANSWER)
        values = {"of": tenant, "this": key, "new_result": result, "new_token": token}
        await link.change(self._answer, values, _ANSWER)

    async def claim_message(self, link: Link, consumer: str, id: str, time: datetime) -> bool:
        """Note a message; see `RecordTransaction.claim_message`."""
        link.check_writable(_RECEIVE)
        values = {"consumer": consumer, "id": id, "time": self._put(time)}
        return bool(await link.change(self._receive, values, _RECEIVE))

    async def forget_keys(self, before: datetime, limit: int) -> int:
        """Delete old records of keys; see `RecordStore.forget_keys`."""
        return await self._forget(self._old_keys, self._forget_keys, before, limit)

    async def forget_messages(self, before: datetime, limit: int) -> int:
        """Delete old notes of messages; see `RecordStore.forget_messages`."""
        return await self._forget(self._old_messages, self._forget_messages, before, limit)

    def _forgetting(self, table: Table) -> tuple[Statement, Statement]:
        """Return what finds the oldest rows, and what deletes one of them. All who forget take the same order."""
        first, second = table.primary_key.columns
        old = select(first, second).where(table.c.time < bindparam("before"))
        oldest = old.order_by(table.c.time, first, second).limit(bindparam("size"))
        gone = delete(table).where(first == bindparam("of"), second == bindparam("this"))
        return self._database.prepare(oldest), self._database.prepare(gone.where(table.c.time < bindparam("before")))

    async def _forget(self, find: Statement, forget: Statement, before: datetime, limit: int) -> int:
        until = self._put(before)
        found = await self._database.fetch(find, {"before": until, "size": limit}, _FORGET)
        if found:
            rows = [forget.bind({"of": of, "this": this, "before": until}) for of, this in found]
            async with self._database.writing() as link:
                await link.change_many(forget, rows, _FORGET)
        return len(found)


def _same(value: Any) -> Any:
    return value
