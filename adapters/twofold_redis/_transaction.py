"""A transaction in Redis: its parts gather changes, and the commit sends them as one script."""

from __future__ import annotations

from typing import TypeVar

from twofold import View

from ._commit.commit import Commit
from ._commit.state import TransactionState
from ._rows.buffers import RedisShadows, RowBuffers
from ._rows.rows import RedisRows
from ._rows.shape import shape_of
from ._server.keys import Keys
from ._server.server import Server
from ._subscriptions.checkpoints import RedisCheckpoints
from ._subscriptions.parked_writer import RedisParkedWriter

V = TypeVar("V", bound=View)


class RedisTransaction:
    """A `ReadTransaction`. It reads committed data below its own changes; Redis receives nothing before the commit.

    Args:
        server: runs scripts.
        keys: names the keys.
        read_only: refuse to write.
    """

    def __init__(self, server: Server, keys: Keys, *, read_only: bool) -> None:
        self._server = server
        self._keys = keys
        self._state = state = TransactionState(read_only=read_only)
        self._rows = RowBuffers(keys)
        self.shadows = RedisShadows(self._rows, state)
        self.checkpoints = RedisCheckpoints(server, keys, state)
        self.parked = RedisParkedWriter(server, keys, state)

    def rows(self, view: type[V], *, shadow: bool = False) -> RedisRows[V]:
        """Return the rows of a view."""
        return RedisRows(self._server, shape_of(view), shadow, self._rows, self._state)

    async def commit(self) -> None:
        """Make all changes visible in one step.

        If the task is cancelled after the commit was sent, the commit is still awaited.
        """
        self._state.check()
        commit = Commit(self._keys)
        self.checkpoints.write(commit)
        self.parked.write(commit)
        self._rows.write(commit, self.checkpoints.log)
        await self._state.guard(commit.send(self._server))
        self._state.end()

    async def rollback(self) -> None:
        """Discard all changes."""
        self._state.end()
