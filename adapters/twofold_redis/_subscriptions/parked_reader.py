"""The committed parked events, and those with a pending retry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from twofold.ports import ParkedEvent

from .._server.keys import Keys, ParkedKeys
from .._server.ordered_bytes import END, after, text
from .._server.scripts import PARKED_EVENTS
from .._server.server import Server
from .parked_json import decoded

_NUMBERS: Final = 36
"""The digits after the key in a member: of the number in the order of parking, and of the position."""


async def read_parked(
    server: Server, keys: ParkedKeys, key: str | None, attempt: str, *, limit: int = -1
) -> list[ParkedEvent]:
    """Return the events in the order in which they were added, of one key or of all keys."""
    low, high = b"-", b"+"
    if key is not None:
        low, high = b"[" + text(key), b"(" + (after(text(key)) or b"")
    found = await server.run(PARKED_EVENTS, keys.all, [low, high, limit], attempt)
    found.sort(key=lambda each: each[1][:16])
    return [decoded(stored, again) for _, stored, again in found]


class RedisParkedReader:
    """A `ParkedEventReader`.

    Args:
        server: runs scripts.
        keys: names the keys.
    """

    def __init__(self, server: Server, keys: Keys) -> None:
        self._server = server
        self._keys = keys

    async def read(self, subscription: str, *, key: str | None = None) -> Sequence[ParkedEvent]:
        """Return the events in the order in which they were added, of one key or of all keys."""
        attempt = f"read the parked events of {subscription}"
        return await read_parked(self._server, self._keys.parked(subscription), key, attempt)

    async def keys(self, subscription: str) -> Mapping[str, int]:
        """Return the keys that have events, each with their number."""
        order, attempt = self._keys.parked(subscription).order, f"read the parked keys of {subscription}"
        counts: dict[str, int] = {}
        for member in await self._server.command(attempt, "ZRANGE", order, 0, -1):
            key = member[: -_NUMBERS - len(END)].replace(b"\x00\xff", b"\x00").decode("utf-8", "surrogatepass")
            counts[key] = counts.get(key, 0) + 1
        return counts

    async def retries(self, subscription: str) -> Mapping[str, datetime]:
        """Return the keys with a pending retry, each with its time."""
        attempt = f"read the retries of {subscription}"
        found: dict[str, datetime] = {}
        for again in await self._server.command(attempt, "HVALS", self._keys.parked(subscription).again):
            time, _, key = again.decode("utf-8", "surrogatepass").partition(" ")
            found[key] = datetime.fromisoformat(time)
        return found
