"""Tags of events: how events are selected by them, and which of them are complete."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence

from twofold.ports import Criterion, Position, StoredEvent, TagEntry

from ._overlay import Overlay
from ._step import Step
from ._tables import GONE, TAGGED, Tables


def matching(
    overlay: Overlay, criteria: Sequence[Criterion], after: Position, upto: Position | None = None
) -> Iterator[StoredEvent]:
    """Iterate over the events that one of some criteria selects, by ascending position, each once."""
    if all(criterion.tags for criterion in criteria):
        found: dict[Position, StoredEvent] = {}
        for criterion in criteria:
            first, *others = (overlay.tagged_events(tag) for tag in criterion.tags)
            found.update(
                (position, event)
                for position, event in first.items()
                if _has_name(event, criterion) and all(position in other for other in others)
            )
        events: Iterator[StoredEvent] = iter([found[position] for position in sorted(found)])
    else:
        events = (event for event in overlay.events() if any(_selects(overlay, each, event) for each in criteria))
    return (event for event in events if event.position > after and (upto is None or event.position <= upto))


def _has_name(event: StoredEvent, criterion: Criterion) -> bool:
    return criterion.names is None or event.name in criterion.names


def _selects(overlay: Overlay, criterion: Criterion, event: StoredEvent) -> bool:
    tagged = overlay.tagged_events
    return _has_name(event, criterion) and all(event.position in tagged(tag) for tag in criterion.tags)


class InMemoryTagRecords:
    """The `TagRecords` of a transaction.

    Args:
        step: the transaction.
        tables: the committed data.
    """

    __slots__ = ("_step", "_tables")

    def __init__(self, step: Step, tables: Tables) -> None:
        self._step = step
        self._tables = tables

    async def progress(self, name: str) -> Mapping[str, Position | None]:
        """Return how far the tags of the fields of an event are complete."""
        return {field: filled for (event, field), (filled,) in self._step.reading().items(TAGGED) if event == name}

    async def record(self, name: str, field: str, filled: Position | None) -> None:
        """Store how far the tags of a field are complete."""
        (await self._step.writing()).put(TAGGED, (name, field), (filled,))

    async def add(self, entries: Sequence[TagEntry]) -> None:
        """Add tags to stored events."""
        overlay = await self._step.writing()
        for entry in entries:
            event = self._tables.events[bisect_right(self._tables.positions, entry.position) - 1]
            overlay.tagged.append((entry.tag, event))

    async def remove(self, name: str, fields: Collection[str]) -> None:
        """Delete the records of some fields."""
        overlay = await self._step.writing()
        for field in fields:
            overlay.put(TAGGED, (name, field), GONE)
