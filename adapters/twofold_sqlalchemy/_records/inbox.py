"""The inbox of received messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam

from .._connection.database import Database
from .._connection.open_transaction import Link
from .._dialects.codec import Kind
from .._schema.tables import Tables

_CLAIM: Final = "note a message in the inbox"


class InboxStatements:
    """The statements on the inbox.

    Args:
        database: the database.
        tables: Twofold's tables in it.
    """

    def __init__(self, database: Database, tables: Tables) -> None:
        self.time = database.dialect.columns.codec(Kind.DATETIME)
        new: dict[str, Any] = {name: bindparam(name) for name in ("consumer", "id", "time")}
        self.claim = database.prepare(database.dialect.sql.insert_new(tables.inbox).values(new))


class SqlInbox:
    """The `Inbox` of a transaction."""

    __slots__ = ("_link", "_statements")

    def __init__(self, link: Link, statements: InboxStatements) -> None:
        self._link = link
        self._statements = statements

    async def claim(self, consumer: str, id: str, *, time: datetime) -> bool:
        """Note a message, or return False when it is noted already."""
        self._link.check_writable(_CLAIM)
        encode = self._statements.time.encode
        values = {"consumer": consumer, "id": id, "time": encode(time) if encode else time}
        return bool(await self._link.change(self._statements.claim, values, _CLAIM))
