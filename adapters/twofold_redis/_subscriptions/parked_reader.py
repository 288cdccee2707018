"""The committed parked events, and those with a pending retry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from twofold.ports import ParkedEvent, Position, not_parked_at

from .._server.keys import Keys, ParkedKeys
from .._server.ordered_bytes import END, text
from .._server.ordered_bytes import after as text_after
from .._server.scripts import PARKED_EVENTS
from .._server.server import Argument, Server
from .parked_json import decoded

_NUMBERS: Final = 36
"""The digits after the key in a member: of the number in the order of parking, and of the position."""


_BATCH: Final = 500
"""The number of events that are read at a time while events of one error are searched."""


async def read_parked(
    server: Server,
    keys: ParkedKeys,
    attempt: str,
    *,
    key: str | None = None,
    after: int | None = None,
    limit: int | None = None,
) -> list[ParkedEvent] | None:
    """Return events in the order in which they were added; None if no event has the position `after`."""
    low, high = (b"", b"") if key is None else (text(key), text_after(text(key)) or b"")
    arguments: list[Argument] = [low, high, "" if after is None else after, -1 if limit is None else limit]
    found = await server.run(PARKED_EVENTS, keys.all, arguments, attempt)
    return None if found is None else [decoded(stored, again) for stored, again in found]


class RedisParkedReader:
    """A `ParkedEventReader`.

    Args:
        server: runs scripts.
        keys: names the keys.
    """

    def __init__(self, server: Server, keys: Keys) -> None:
        self._server = server
        self._keys = keys

    async def read(
        self,
        subscription: str,
        *,
        key: str | None = None,
        error: str | None = None,
        after: Position | None = None,
        limit: int | None = None,
    ) -> Sequence[ParkedEvent]:
        """Return a page of the events in the order in which they were added. Events of one error are searched in batches."""
        attempt, keys = f"read the parked events of {subscription}", self._keys.parked(subscription)
        found: list[ParkedEvent] = []
        while True:
            size = limit if error is None else _BATCH
            batch = await read_parked(self._server, keys, attempt, key=key, after=after, limit=size)
            if batch is None:
                raise not_parked_at(subscription, Position(after or 0))
            if error is None:
                return batch
            found += [each for each in batch if each.reason.startswith(f"{error}:")]
            if len(batch) < _BATCH or (limit is not None and len(found) >= limit):
                return found[:limit]
            after = batch[-1].event.position

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
