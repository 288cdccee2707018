"""Search the event log for people: filters, pages in both directions, and new events as they are appended.

A log has indexes of streams and correlation ids. A page of other events searches a limited number of positions, and says
where the next page continues, so that no call reads the whole log.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from .._background.signal import Signal
from .._definitions.position import Position
from .._encoding.payloads import shown_payload
from .._encoding.wire_types import EventTypes
from ..ports.event_log import EventLog, StoredEvent

_BATCH = 500
"""The number of events that one read returns at most."""

_POLL = 0.5
"""Seconds between two polls for new events, without a notification."""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event of the log for people.

    Attributes:
        id: the id of the event.
        name: its wire name.
        schema: the version of its fields.
        stream: its stream.
        version: its number in the stream.
        position: its position in the log.
        time: when it was recorded, in UTC.
        payload: its fields, with secrets masked. If the application has no class for it, every value is masked.
        correlation_id: the correlation id, which all messages of one interaction share; None if it is not known.
        causation_id: the id of the message whose handler recorded the event; None if it is not known.
        tenant: the tenant whose data it concerns, or None.
        cause: the name of the message whose handler recorded the event; None if it is not known.
        cause_of_cause: the id of the message that caused that message; None if there is none, or it is not known.
    """

    id: UUID
    name: str
    schema: int
    stream: str
    version: int
    position: Position
    time: datetime
    payload: Any
    correlation_id: UUID | None
    causation_id: UUID | None
    tenant: str | None
    cause: str | None = None
    cause_of_cause: UUID | None = None


@dataclass(frozen=True, slots=True)
class EventPage:
    """A page of the log.

    Attributes:
        events: the events that were found, in the requested order.
        next: the position to pass as `after=` (or as `before=`, newest first) for the next page; None at the end of the log.
            A page may have no events and a next page, because one page searches a limited number of positions.
    """

    events: tuple[EventRecord, ...]
    next: Position | None


class EventFilter(NamedTuple):
    """Which events are searched for. None, and no names, select every event.

    Attributes:
        stream: the stream.
        names: the wire names.
        correlation_id: the correlation id.
        causation_id: the id of the message that caused the event.
        since: the earliest time.
        until: the latest time.
    """

    stream: str | None = None
    names: frozenset[str] = frozenset()
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None

    def fits(self, event: StoredEvent) -> bool:
        """Return whether an event is searched for."""
        if self.names and event.name not in self.names:
            return False
        if self.stream is not None and event.stream != self.stream:
            return False
        if (self.since is not None and event.time < self.since) or (self.until is not None and event.time > self.until):
            return False
        ids = (("correlation_id", self.correlation_id), ("causation_id", self.causation_id))
        wanted = {name: str(value) for name, value in ids if value is not None}
        if not all(value in event.metadata for value in wanted.values()):
            return False
        metadata = json.loads(event.metadata) if wanted else {}
        return all(metadata.get(name) == value for name, value in wanted.items())


def record_of(event: StoredEvent, types: EventTypes) -> EventRecord:
    """Return an event for people."""
    metadata = json.loads(event.metadata)
    ids = (metadata.get(name) for name in ("correlation_id", "causation_id", "cause_of_cause"))
    correlation_id, causation_id, cause_of_cause = (UUID(each) if each else None for each in ids)
    return EventRecord(
        event.id, event.name, event.schema, event.stream, event.version, event.position, event.time,
        shown_payload(types.known(event.name), event.data), correlation_id, causation_id, metadata.get("tenant"),
        metadata.get("cause"), cause_of_cause,
    )  # fmt: skip


class Browser:
    """Searches a log.

    Args:
        log: the event log.
        types: the classes of events.
    """

    def __init__(self, log: EventLog, types: EventTypes) -> None:
        self._log = log
        self._types = types

    async def oldest_first(
        self, wanted: EventFilter, *, after: Position, before: Position | None, limit: int, search: int
    ) -> EventPage:
        """Return the first events between two positions."""
        head = await self._log.head()
        end = head + 1 if before is None else min(before, head + 1)
        found, stop = list[EventRecord](), Position(min(after + search + 1, end))
        async with aclosing(self._between(after, stop, wanted.names)) as events:
            async for event in events:
                if wanted.fits(event):
                    found.append(record_of(event, self._types))
                    if len(found) == limit:
                        return EventPage(tuple(found), event.position if event.position + 1 < end else None)
        return EventPage(tuple(found), Position(stop - 1) if stop < end else None)

    async def newest_first(
        self, wanted: EventFilter, *, after: Position, before: Position | None, limit: int, search: int
    ) -> EventPage:
        """Return the last events between two positions, the last one first."""
        head = await self._log.head()
        end = Position(head + 1 if before is None else min(before, head + 1))
        found, stop = list[EventRecord](), max(after, end - search - 1)
        while end - 1 > stop:
            begin = Position(max(stop, end - 1 - _BATCH))
            for event in reversed([each async for each in self._between(begin, end, wanted.names)]):
                if wanted.fits(event):
                    found.append(record_of(event, self._types))
                    if len(found) == limit:
                        return EventPage(tuple(found), event.position if event.position - 1 > after else None)
            end = Position(begin + 1)
        return EventPage(tuple(found), end if end - 1 > after else None)

    async def in_stream(
        self, stream: str, wanted: EventFilter, *, after: Position, before: Position | None, limit: int, newest: bool
    ) -> EventPage:
        """Return events of one stream, which has an index. The whole stream is read."""
        fit = [
            event
            async for event in self._log.read(stream)
            if event.position > after and (before is None or event.position < before) and wanted.fits(event)
        ]
        chosen = fit[::-1][:limit] if newest else fit[:limit]
        more = len(fit) > len(chosen)
        return EventPage(
            tuple(record_of(each, self._types) for each in chosen), chosen[-1].position if more and chosen else None
        )

    async def correlated(
        self,
        correlation_id: UUID,
        wanted: EventFilter,
        *,
        after: Position,
        before: Position | None,
        limit: int,
        newest: bool,
    ) -> EventPage:
        """Return events of one correlation id, which has an index. Events that another filter refuses are read, too."""
        head = await self._log.head()
        end = Position(head + 1 if before is None else min(before, head + 1))
        found = list[EventRecord]()
        while True:
            batch = await self._log.read_correlated(
                correlation_id, after=after, before=end, limit=_BATCH, newest_first=newest
            )
            for number, event in enumerate(batch, 1):
                if wanted.fits(event):
                    found.append(record_of(event, self._types))
                    if len(found) == limit:
                        more = number < len(batch) or len(batch) == _BATCH
                        return EventPage(tuple(found), event.position if more else None)
            if len(batch) < _BATCH:
                return EventPage(tuple(found), None)
            if newest:
                end = batch[-1].position
            else:
                after = batch[-1].position

    async def follow(self, wanted: EventFilter, after: Position, appended: Signal) -> AsyncGenerator[EventRecord]:
        """Iterate over the events after a position, and over new ones as they are appended, without an end.

        Raises:
            EventsLost: the log has lost events that were read.
        """
        position, last = after, (await self._log.ids([after])).get(after)
        while True:
            seen = appended.count
            page = await self._log.read_all(after=position, event=last, limit=_BATCH, names=wanted.names or None)
            for event in page.events:
                if wanted.fits(event):
                    yield record_of(event, self._types)
            if page.last == position:
                await appended.wait(seen, _POLL)
            position, last = page.last, page.event

    async def _between(self, after: Position, before: Position, names: frozenset[str]) -> AsyncGenerator[StoredEvent]:
        """Iterate over the events between two positions, without these, in the order of the log."""
        position = after
        while position < before - 1:
            page = await self._log.read_all(after=position, limit=_BATCH, names=names or None)
            for event in page.events:
                if event.position >= before:
                    return
                yield event
            if page.last == position:
                return
            position = page.last
