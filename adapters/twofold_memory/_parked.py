"""Events of subscriptions with a pending retry, and parked events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice

from twofold.ports import ParkedEvent, Position, not_parked_at

from ._overlay import Overlay
from ._step import Step
from ._tables import GONE, PARKED, Tables


def _parked_of(overlay: Overlay, subscription: str, key: str | None = None) -> list[ParkedEvent]:
    events = [event for (name, _), event in overlay.items(PARKED) if name == subscription]
    return [event for event in events if key is None or event.key == key]


class InMemoryParkedReader:
    """A `ParkedEventReader`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def read(
        self,
        subscription: str,
        *,
        key: str | None = None,
        error: str | None = None,
        after: Position | None = None,
        limit: int | None = None,
    ) -> Sequence[ParkedEvent]:
        """Return a page of the events in the order in which they were added."""
        found = _parked_of(Overlay(self._tables), subscription)
        if after is not None:
            places = [place for place, each in enumerate(found, 1) if each.event.position == after]
            if not places:
                raise not_parked_at(subscription, after)
            found = found[places[0] :]
        fit = (each for each in found if key is None or each.key == key)
        return list(islice((each for each in fit if error is None or each.reason.startswith(f"{error}:")), limit))

    async def keys(self, subscription: str) -> Mapping[str, int]:
        """Return the keys that have events, each with their number."""
        return Counter(event.key for event in await self.read(subscription))

    async def retries(self, subscription: str) -> Mapping[str, datetime]:
        """Return the keys with a pending retry, each with its time."""
        return {event.key: event.again for event in await self.read(subscription) if event.again is not None}


class InMemoryParkedWriter:
    """A `ParkedEventWriter`."""

    __slots__ = ("_step",)

    def __init__(self, step: Step) -> None:
        self._step = step

    async def add(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        """Add events that are not here yet."""
        overlay = await self._step.writing()
        for parked in events:
            key = subscription, parked.event.id
            if overlay.get(PARKED, key) is None:
                overlay.put(PARKED, key, parked)

    async def remove(self, subscription: str, positions: Sequence[Position]) -> int:
        """Delete events by their position; return how many were deleted."""
        overlay = await self._step.writing()
        gone = [event for event in _parked_of(overlay, subscription) if event.event.position in positions]
        for event in gone:
            overlay.put(PARKED, (subscription, event.event.id), GONE)
        return len(gone)

    async def update(self, subscription: str, parked: ParkedEvent) -> None:
        """Replace reason, attempts, time, next retry and edit of an event, and its data and schema."""
        overlay = await self._step.writing()
        if overlay.get(PARKED, (subscription, parked.event.id)) is not None:
            overlay.put(PARKED, (subscription, parked.event.id), parked)

    async def retry(self, subscription: str, key: str, *, at: datetime) -> bool:
        """Set the next retry of the first event of a key."""
        overlay = await self._step.writing()
        for first in _parked_of(overlay, subscription, key)[:1]:
            overlay.put(PARKED, (subscription, first.event.id), first._replace(again=at))
            return True
        return False

    async def adopt(self, subscription: str, *, of: str) -> None:
        """Replace all events of a subscription by those of another subscription."""
        overlay = await self._step.writing()
        for event in _parked_of(overlay, subscription):
            overlay.put(PARKED, (subscription, event.event.id), GONE)
        for event in _parked_of(overlay, of):
            overlay.put(PARKED, (of, event.event.id), GONE)
            overlay.put(PARKED, (subscription, event.event.id), event)
