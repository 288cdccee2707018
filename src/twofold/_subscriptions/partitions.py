"""Divide parked events and batches among partitions."""

from __future__ import annotations

from collections.abc import Mapping

from .._definitions.partitioning import partition_of
from .._definitions.position import Position
from ..ports.event_log import LogPage


def shares(counts: Mapping[str, int], partitions: int) -> list[int]:
    """Return the number of events of each partition, given the number of events of each key."""
    found = [0] * partitions
    for key, count in counts.items():
        found[partition_of(key, partitions)] += count
    return found


def cut(page: LogPage, upto: Position) -> LogPage:
    """Return a batch of the log without the events after a position."""
    return LogPage(tuple(event for event in page.events if event.position <= upto), min(page.last, upto))
