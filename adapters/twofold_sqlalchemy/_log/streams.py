"""The events of single streams, read inside or outside of a transaction."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, func, select

from twofold.ports import StoredEvent

from .._connection.compiler import Compiler
from .._connection.statements import Statement
from .._schema.tables import Tables
from .columns import EventColumns

_PAGE = 500
"""The maximum number of events that one select reads: versions have no gaps."""

Fetch = Callable[[Statement, Mapping[str, Any], str], Awaitable[Sequence[Any]]]
"""`Database.fetch`, or `OpenTransaction.fetch`."""


class Streams:
    """The reading of streams.

    Args:
        compiler: compiles the statements.
        tables: Twofold's tables in it.
    """

    def __init__(self, compiler: Compiler, tables: Tables) -> None:
        events, self._columns = tables.events, EventColumns(compiler.columns, compiler.sql)
        of_stream = events.c.stream == bindparam("of")
        self._events = compiler.prepare(
            select(*self._columns.selected(events))
            .where(of_stream, events.c.version > bindparam("after"), events.c.version <= bindparam("upto"))
            .order_by(events.c.version)
        )
        self._version = compiler.prepare(select(func.coalesce(func.max(events.c.version), 0)).where(of_stream))

    async def read(self, fetch: Fetch, stream: str, after: int) -> AsyncGenerator[StoredEvent]:
        """Iterate over a stream's events, page by page."""
        while True:
            page = {"of": stream, "after": after, "upto": after + _PAGE}
            rows = await fetch(self._events, page, f"read the stream {stream}")
            for row in rows:
                event = self._columns.stored(row)
                yield event
                after = event.version
            if len(rows) < _PAGE:
                return

    async def version(self, fetch: Fetch, stream: str) -> int:
        """Return the number of events of a stream."""
        return int((await fetch(self._version, {"of": stream}, f"read the version of {stream}"))[0][0])
