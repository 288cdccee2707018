"""Which events are known to be in the log, so that the log need not be asked again during one run of its server."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from .._definitions.position import START, Position
from ..errors import EventsLost
from ..ports.stores import WriteStore

_KEPT = 4096
"""The number of events that are remembered."""


class Point(NamedTuple):
    """A position of the log, and the id of the event there; None at `START`, or if the event is not known."""

    position: Position
    event: UUID | None


@dataclass(slots=True, eq=False)
class KnownEvents:
    """Verifies that events are in the log at their positions.

    An event that was in the log stays there as long as the server of the log runs. After that the log is asked again: a
    replica that was behind, or a restored backup, may lack the event, and may have another one at its position.

    Attributes:
        store: the write store.
    """

    store: WriteStore
    _runs: OrderedDict[Point, str] = field(default_factory=OrderedDict, init=False)

    async def run(self) -> str:
        """Return the current run of the log's server."""
        return await self.store.run()

    def note(self, point: Point, run: str) -> None:
        """Remember an event that was in the log after this run had begun."""
        self._runs[point] = run
        self._runs.move_to_end(point)
        if len(self._runs) > _KEPT:
            self._runs.popitem(last=False)

    def has(self, point: Point, run: str) -> bool:
        """Return whether an event is known to be in the log in this run."""
        return self._runs.get(point) == run

    async def missing(self, points: Collection[Point]) -> Point | None:
        """Return the first of these events that is not in the log, or None.

        Raises:
            TransientFailure: the store did not answer.
        """
        run = await self.store.run()
        unknown = [each for each in points if each.position > START and not self.has(each, run)]
        if unknown:
            found = await self.store.log.ids([position for position, _ in unknown])
            for each in unknown:
                if each.event is not None and found.get(each.position) != each.event:
                    return each
                self.note(each, run)
        return None

    async def lost(self, reader: str, point: Point, advice: str) -> EventsLost:
        """Return the error for a reader of a lost event. `advice` says what to do."""
        head = await self.store.log.head()
        return EventsLost(reader, position=point.position, event=point.event, head=head, advice=advice)
