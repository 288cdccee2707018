"""The partition of an ordering key."""

from __future__ import annotations

from zlib import crc32


def partition_of(key: str, partitions: int) -> int:
    """Return the partition that an ordering key belongs to.

    The partition is the CRC-32 of the key in UTF-8, modulo the number of partitions. It is the same in every process and in
    every release.

    Args:
        key: the ordering key.
        partitions: the number of partitions.
    """
    return crc32(key.encode()) % partitions if partitions > 1 else 0
