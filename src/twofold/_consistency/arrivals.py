"""Wait for events of other applications that a session must see, because a consistency token names them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID

from .._background.backoff import Backoff
from .._background.polling import poll_until
from .._definitions.position import START
from ..errors import ForeignLog
from ..ports.checkpoints import Checkpoint
from ..ports.stores import WriteStore
from ..ports.transport import Feed
from .known import Point
from .token import Written, type_keys

_FIRST_POLL = 0.002
_LAST_POLL = 0.1
"""The first and the longest delay between two polls of the write store, in seconds."""


class Part(NamedTuple):
    """The names of the checkpoints of one partition of a feed.

    Attributes:
        arrived: the checkpoint in the log of the source.
        recorded: the position of the last received event in the log of this application.
        started: the first checkpoint that arrived: events before it may be older than the consumer.
    """

    arrived: str
    recorded: str
    started: str


def part_of(consumer: str, number: int) -> Part:
    """Return the names of the checkpoints of a partition of a feed."""
    return Part(f"{consumer}.{number}", f"{consumer}.{number}.recorded", f"{consumer}.{number}.started")


class Arrivals:
    """Knows which events of other logs are recorded in the log of this application.

    Args:
        store: the write store.
        feeds: the feeds, each with the application that it comes from and the number of its partitions.
        identity: returns the id under which an event is recorded whose own id is taken, from that id and the application.
    """

    def __init__(
        self, store: WriteStore, feeds: Sequence[tuple[str, Feed, int]], identity: Callable[[str, str], UUID]
    ) -> None:
        self.name = ", ".join(feed.consumer for _, feed, _ in feeds)
        """The consumers of the feeds, for error messages."""
        self._store = store
        self._identity = identity
        self._parts: dict[str, list[Part]] = {}
        self._types: dict[str, frozenset[str]] = {}
        for source, feed, count in feeds:
            self._types[source] = self._types.get(source, frozenset()) | type_keys(frozenset(feed.topics))
            parts = self._parts.setdefault(source, [])
            parts.extend(part_of(feed.consumer, number) for number in range(count))

    @property
    def sources(self) -> tuple[str, ...]:
        """The applications that the feeds come from."""
        return tuple(self._parts)

    async def wait(
        self, elsewhere: Sequence[Written], log: str, seconds: float
    ) -> tuple[Sequence[Written], Sequence[Written]]:
        """Wait until writes to other logs have arrived here.

        Args:
            elsewhere: the writes.
            log: the identity of this log.
            seconds: the timeout, in seconds; 0 does not wait.

        Returns:
            The positions here of the writes that have arrived, and the other writes.

        Raises:
            ForeignLog: no application whose events arrive here has such a log.
        """
        arrived: list[Written] = []
        missing = list(elsewhere)

        async def have_all_arrived() -> bool:
            while missing and (last := await self._arrived(missing[0])) is not None:
                origins = tuple((missing[0].log, each) for each in missing[0].events)
                arrived.append(Written(log, last.position, (), origins, last.event))
                del missing[0]
            return not missing

        await poll_until(have_all_arrived, Backoff(_FIRST_POLL, _LAST_POLL), seconds=seconds)
        return arrived, missing

    async def _arrived(self, written: Written) -> Point | None:
        """Return an event here that all the writes precede; None while some may arrive later."""
        unknown, known = False, list[str]()
        for source, parts in self._parts.items():
            marks = [await self._store.subscriptions.checkpoint(part.arrived) for part in parts]
            if any(mark is not None and mark.log == written.log for mark in marks):
                if not all(_covers(mark, written) for mark in marks) or not await self._is_recorded(source, written):
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

    async def _is_recorded(self, source: str, written: Written) -> bool:
        """Return whether the last write of each type that arrives here is recorded.

        A position does not prove this: a source that has lost its last events gives their positions to other events.
        Events of other types do not arrive here, and neither do events from before the consumer was created.
        """
        events = written.last_events(self._types[source])
        if not events:
            return True
        starts = [await self._store.subscriptions.checkpoint(part.started) for part in self._parts[source]]
        start = max((each.position for each in starts if each is not None and each.log == written.log), default=START)
        ids = {event: self._identity(str(event), source) for position, event in events if position > start}
        if not ids:
            return True
        found = await self._store.log.positions([*ids, *ids.values()])
        return all(event in found or other in found for event, other in ids.items())

    async def _last_of(self, sources: Sequence[str]) -> Point:
        """Return the last event of these applications here."""
        recorded = [
            await self._store.subscriptions.checkpoint(part.recorded)
            for source in sources
            for part in self._parts[source]
        ]
        points = [Point(each.position, each.event) for each in recorded if each is not None]
        return max(points, key=lambda point: point.position, default=Point(START, None))


def _covers(mark: Checkpoint | None, written: Written) -> bool:
    if mark is None or mark.log != written.log or mark.position < written.position:
        return False
    # Another event at the position means that the source has lost the event that it reported, or that of the token.
    return mark.position > written.position or None in (mark.event, written.event) or mark.event == written.event
