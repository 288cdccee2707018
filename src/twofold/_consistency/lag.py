"""The lag of a reader of the event log, at a cost that does not grow with the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .._definitions.position import Position
from ..ports.checkpoints import Checkpoint
from ..ports.event_log import EventLog

COUNTED = 10_000
"""The longest distance in positions within which events are counted."""


async def lag_in_events(log: EventLog, *, after: Position, upto: Position) -> int:
    """Return the number of events after the position `after`, up to and including `upto`.

    The number is exact up to a distance of 10,000 positions. A larger lag is the distance itself, which also counts
    positions without an event: those of appends that were rolled back.
    """
    distance = max(0, upto - after)
    return distance if distance > COUNTED or not distance else await log.count(after=after, upto=upto)


def lowest(checkpoints: Sequence[Checkpoint]) -> Checkpoint | None:
    """Return the lowest checkpoint of the partitions of a subscription, with their parked events added up.

    None if there are no partitions, because the subscription never ran.
    """
    if not checkpoints:
        return None
    found = min(checkpoints, key=lambda each: each.position)
    return replace(found, parked=sum(each.parked for each in checkpoints))
