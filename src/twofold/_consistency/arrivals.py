"""Waiting for events of other applications, which a token of theirs says that a session has to see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .._background.backoff import Backoff
from .._background.polling import poll_until
from .._definitions.position import START, Position
from ..errors import ForeignLog
from ..ports.checkpoints import Checkpoint
from ..ports.stores import WriteStore
from ..ports.transport import Feed
from .token import Written

_FIRST_POLL = 0.002
_LAST_POLL = 0.1
"""How long somebody who waits for another application's events lets pass until the store is asked again, in seconds."""


class Part(NamedTuple):
    """The names of the two checkpoints of a part of a feed: how far its source is, and where its last event is here."""

    arrived: str
    recorded: str


def part_of(consumer: str, number: int) -> Part:
    """Return the names for a part of a feed."""
    return Part(f"{consumer}.{number}", f"{consumer}.{number}.recorded")


class Arrivals:
    """Knows which events of other logs are recorded here, so that a token of another application can be waited for.

    Args:
        store: the write store.
        feeds: what is received: from which application, and in how many parts.
    """

    def __init__(self, store: WriteStore, feeds: Sequence[tuple[str, Feed, int]]) -> None:
        self.name = ", ".join(feed.consumer for _, feed, _ in feeds)
        """What receives them, for people."""
        self._store = store
        self._parts: dict[str, list[Part]] = {}
        for source, feed, count in feeds:
            parts = self._parts.setdefault(source, [])
            parts.extend(part_of(feed.consumer, number) for number in range(count))

    @property
    def sources(self) -> tuple[str, ...]:
        """The applications that they come from."""
        return tuple(self._parts)

    async def wait(
        self, elsewhere: Sequence[Written], log: str, seconds: float
    ) -> tuple[Sequence[Written], Sequence[Written]]:
        """Wait for what was written to other logs; return where it is in this one, and what has not arrived by then.

        Args:
            elsewhere: what was written.
            log: the identity of this log.
            seconds: how long to wait at most; not at all when it is 0.

        Raises:
            ForeignLog: nothing that was received here comes from such a log.
        """
        arrived: list[Written] = []
        missing = list(elsewhere)

        async def have_all_arrived() -> bool:
            while missing and (position := await self._position_of(missing[0])) is not None:
                origins = tuple((missing[0].log, each) for each in missing[0].events)
                arrived.append(Written(log, position, (), origins))
                del missing[0]
            return not missing

        await poll_until(have_all_arrived, Backoff(_FIRST_POLL, _LAST_POLL), seconds=seconds)
        return arrived, missing

    async def _position_of(self, written: Written) -> Position | None:
        """Return the position here behind which nothing of that comes any more; None when it may yet."""
        unknown, known = False, list[str]()
        for source, parts in self._parts.items():
            marks = [await self._store.subscriptions.checkpoint(part.arrived) for part in parts]
            if any(mark is not None and mark.log == written.log for mark in marks):
                if not all(_covers(mark, written) for mark in marks):
                    return None
                known.append(source)
            unknown = unknown or None in marks
        if known:
            return await self._last_of(known)
        if unknown:
            return None
        raise ForeignLog(
            f"cannot resume this session: its token belongs to log {written.log}, and no application whose events are "
            f"received here ({self.name}) has that log. Start a session without it."
        )

    async def _last_of(self, sources: Sequence[str]) -> Position:
        """Return where the last event of these applications is here."""
        recorded = [
            await self._store.subscriptions.checkpoint(part.recorded)
            for source in sources
            for part in self._parts[source]
        ]
        return max((each.position for each in recorded if each is not None), default=START)


def _covers(mark: Checkpoint | None, written: Written) -> bool:
    return mark is not None and mark.log == written.log and mark.position >= written.position
