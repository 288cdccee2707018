"""Notifications between processes, by Redis's PUBLISH."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

import anyio

from twofold.errors import TransientFailure

from ._server.errors import TRANSLATED, translated
from ._server.server import AnyClient, Server, checked

_SILENCE: Final = 15.0
"""After how long without a notification the connection is tried, in seconds."""

_PATIENCE: Final = 5.0
"""How long its answer may take, in seconds."""


class RedisNotifier:
    """Tell other processes at once of events that were appended, where the write store cannot: MariaDB, MySQL and SQLite.

        app = Application("orders", write=SqlAlchemy(engine), notifier=RedisNotifier(client))

    A process that works holds one connection of the client's pool to listen. While Redis is away readers poll, as they do
    without notifications.

    Args:
        client: the client, on asyncio, of a server or a cluster; the user closes it.
        prefix: what the channel's name begins with.

    Raises:
        ConfigurationError: the client is none on asyncio.
    """

    def __init__(self, client: AnyClient, *, prefix: str = "twofold") -> None:
        self._client = checked(client, "RedisNotifier")
        self._server = Server(client)
        self._prefix = prefix

    async def announce(self, log: str) -> None:
        """Tell whoever watches."""
        await self._server.command("announce events", "PUBLISH", self._channel(log), b"")

    async def watch(self, log: str, heard: Callable[[], None]) -> None:
        """Listen until cancelled, or until the connection is lost or says nothing any more."""
        listening = cast(Any, self._client).pubsub()
        try:
            await listening.subscribe(self._channel(log))
            while True:
                await _next(listening)  # that it is subscribed is the first
                heard()
        except TRANSLATED as error:
            raise translated(error, "hear of events") from error
        finally:
            with anyio.move_on_after(1, shield=True):
                await listening.aclose()

    def _channel(self, log: str) -> str:
        return f"{self._prefix}:notifications:{log}"


async def _next(listening: Any) -> None:
    """Return at the next message; see that the connection lives while there is none."""
    while True:
        message = await listening.get_message(timeout=_SILENCE)
        if message is None:
            await listening.ping()
            message = await listening.get_message(timeout=_PATIENCE)
        if message is None:
            raise TransientFailure(f"cannot hear of events: Redis has said nothing for {_PATIENCE:g} s.")
        if message["type"] != "pong":
            return
