"""Segments: which worker handles which ordering key."""

from __future__ import annotations

from zlib import crc32

from .ports.event_log import LogPage, Position


def segment_of(key: str, segments: int) -> int:
    """Return the segment that an ordering key falls to.

    It is the CRC-32 of the key's UTF-8 bytes, modulo the number of segments: the same in every process and every release.

    Args:
        key: the ordering key.
        segments: how many segments there are.
    """
    return crc32(key.encode()) % segments if segments > 1 else 0


def cut(page: LogPage, upto: Position) -> LogPage:
    """Return a page without what lies behind a position."""
    return LogPage(tuple(event for event in page.events if event.position <= upto), min(page.last, upto))
