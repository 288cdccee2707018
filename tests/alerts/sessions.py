"""A session of PostgreSQL that appends to the event log and stays in its transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import asyncpg
from anyio.from_thread import start_blocking_portal

from tests.adapters.sqlalchemy.postgresql_lab import INSERT
from tests.servers.process import PrivateServer


@contextmanager
def appending(server: PrivateServer) -> Iterator[int]:
    """Append an event in a transaction that stays open inside the block, and return the process id of the session."""
    with start_blocking_portal() as portal:
        session = portal.call(asyncpg.connect, server.url.replace("+asyncpg", ""))
        try:
            portal.call(session.execute, "BEGIN")
            portal.call(session.execute, INSERT.format(stream="by hand"))
            yield session.get_server_pid()
        finally:
            with suppress(asyncpg.PostgresError, OSError):
                portal.call(session.close)
