"""The inbox of received messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam

from .._connection.compiler import Compiler
from .._connection.open_transaction import OpenTransaction
from .._dialects.codec import Kind
from .._schema.tables import Tables

_CLAIM: Final = "record a message in the inbox"


class InboxStatements:
    """The statements on the inbox.

    Args:
        compiler: compiles the statements.
        tables: Twofold's tables in it.
    """

    def __init__(self, compiler: Compiler, tables: Tables) -> None:
        self.time = compiler.columns.codec(Kind.DATETIME)
        new: dict[str, Any] = {name: bindparam(name) for name in ("consumer", "id", "time")}
        self.claim = compiler.prepare(compiler.sql.insert_new(tables.inbox).values(new))


class SqlInbox:
    """The `Inbox` of a transaction."""

    __slots__ = ("_statements", "_transaction")

    def __init__(self, transaction: OpenTransaction, statements: InboxStatements) -> None:
        self._transaction = transaction
        self._statements = statements

    async def claim(self, consumer: str, id: str, *, time: datetime) -> bool:
        """Record a message, or return False if it is already recorded."""
        self._transaction.check_writable(_CLAIM)
        encode = self._statements.time.encode
        values = {"consumer": consumer, "id": id, "time": encode(time) if encode else time}
        return bool(await self._transaction.change(self._statements.claim, values, _CLAIM))
