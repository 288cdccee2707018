"""Partitions: which worker handles which ordering key."""

from __future__ import annotations

from collections.abc import Mapping
from zlib import crc32

from .._definitions.position import Position
from ..ports.event_log import LogPage


def partition_of(key: str, partitions: int) -> int:
    """Return the partition that an ordering key falls to.

    It is the CRC-32 of the key's UTF-8 bytes, modulo the number of partitions: the same in every process and every release.

    Args:
        key: the ordering key.
        partitions: how many partitions there are.
    """
    return crc32(key.encode()) % partitions if partitions > 1 else 0


def shares(counts: Mapping[str, int], partitions: int) -> list[int]:
    """Return how many events fall to each partition, given how many each key has."""
    found = [0] * partitions
    for key, count in counts.items():
        found[partition_of(key, partitions)] += count
    return found


def cut(page: LogPage, upto: Position) -> LogPage:
    """Return a page without what lies behind a position."""
    return LogPage(tuple(event for event in page.events if event.position <= upto), min(page.last, upto))
