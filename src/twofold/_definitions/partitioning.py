"""The partition of an ordering key."""

from __future__ import annotations

from hashlib import sha256
from typing import Final
from zlib import crc32

from .._background.failures import storable

_LONGEST: Final = 200
"""The longest ordering key that is stored unchanged, in characters.

Longer keys are stored as their beginning and a hash.
"""


def partition_of(key: str, partitions: int) -> int:
    """Return the partition that an ordering key belongs to.

    The partition is the CRC-32 of the key in UTF-8, modulo the number of partitions. It is the same in every process and in
    every release.

    Args:
        key: the ordering key.
        partitions: the number of partitions.
    """
    return crc32(key.encode()) % partitions if partitions > 1 else 0


def ordering_key(value: object) -> str:
    """Return the ordering key of a field's value, in a form and a length that every store can keep."""
    text = storable(str(value))
    return text if len(text) <= _LONGEST else f"{text[:100]}…{sha256(text.encode()).hexdigest()}"
