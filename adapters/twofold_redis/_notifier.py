"""Notifications between processes, by Redis's PUBLISH."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

import anyio

from twofold.errors import TransientFailure

from ._server.errors import TRANSLATED, translated
from ._server.keys import checked_prefix
from ._server.server import AnyClient, Server, checked

_SILENCE: Final = 15.0
"""The time without a notification after which the connection is checked, in seconds."""

_TIMEOUT: Final = 5.0
"""The timeout of the check, in seconds."""


class RedisNotifier:
    """Notify other processes of new events, for write stores that cannot do so themselves: MariaDB, MySQL and SQLite.

        app = Application("orders", write=SqlAlchemy(engine), notifier=RedisNotifier(client))

    A worker process holds one connection of the client's pool to listen. While Redis does not answer, workers poll, as they
    do without a notifier.

    Args:
        client: an asyncio client of a server or a cluster. The caller closes it.
        prefix: the prefix of the channel's name.

    Raises:
        ConfigurationError: the client is not an asyncio client, or the prefix is not valid.
    """

    def __init__(self, client: AnyClient, *, prefix: str = "twofold") -> None:
        self._client = checked(client, "RedisNotifier")
        self._server = Server(client)
        self._prefix = checked_prefix(prefix, "RedisNotifier")

    async def announce(self, log: str, origin: str) -> None:
        """Notify the processes that watch."""
        await self._server.command("announce events", "PUBLISH", self._channel(log), origin.encode())

    async def watch(self, log: str, notify: Callable[[str], None]) -> None:
        """Listen until cancelled, or until the connection is lost or no longer answers."""
        listening = cast(Any, self._client).pubsub()
        try:
            await listening.subscribe(self._channel(log))
            while True:
                notify(await _next(listening))
        except TRANSLATED as error:
            raise translated(error, "receive notifications") from error
        finally:
            with anyio.move_on_after(1, shield=True):
                await listening.aclose()

    def _channel(self, log: str) -> str:
        return f"{self._prefix}:notifications:{log}"


async def _next(listening: Any) -> str:
    """Return the text of the next message, which is empty for the first one: it confirms the subscription.

    Check the connection while there is no message.
    """
    while True:
        message = await listening.get_message(timeout=_SILENCE)
        if message is None:
            await listening.ping()
            message = await listening.get_message(timeout=_TIMEOUT)
        if message is None:
            raise TransientFailure(f"cannot receive notifications: Redis did not answer within {_TIMEOUT:g} s.")
        if message["type"] == "message":
            data: bytes | str = message["data"]  # a str if the client decodes responses
            return data if isinstance(data, str) else data.decode()
        if message["type"] != "pong":
            return ""
