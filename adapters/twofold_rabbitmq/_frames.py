"""Read AMQP frames, and repair the ones that aiormq cannot decode."""

from __future__ import annotations

import asyncio
import struct
from typing import Final

from aiormq.connection import FrameReceiver

_HEAD: Final = struct.Struct(">BHI")
"""The type, the channel and the size of a frame."""

_HEADER: Final = 2
"""The type of a frame with the properties of a message."""

_PROPERTIES: Final = struct.Struct(">HHQH")
"""The start of such a frame: the class, the weight, the size of the body, and the flags of the properties."""


class RepairingReader:
    """Reads from a connection, and removes the properties of a message if they cannot be decoded.

    A client may store a message with properties that aiormq cannot decode, such as names that are not UTF-8, times after
    the year 9999, or tables nested 1,000 levels deep. aiormq closes its connection at such a message, and the broker
    delivers the message again after each reconnect, before all others. Without its properties it arrives and can be parked.

    Args:
        reader: reads from the socket.
    """

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._frame = b""

    def at_eof(self) -> bool:
        """Return whether nothing more can be read."""
        return not self._frame and self._reader.at_eof()

    async def readexactly(self, n: int) -> bytes:
        """Return the next bytes, which are part of one frame."""
        if not self._frame:
            head = await self._reader.readexactly(_HEAD.size)
            kind, _, size = _HEAD.unpack(head)
            frame = head + await self._reader.readexactly(size + 1)
            self._frame = await repaired(frame) if kind == _HEADER else frame
        found, self._frame = self._frame[:n], self._frame[n:]
        return found

    async def read(self, n: int = -1) -> bytes:
        """Return the readable part."""
        found, self._frame = self._frame, b""
        return found or await self._reader.read(n)


async def repaired(frame: bytes) -> bytes:
    """Return a frame with the properties of a message, without the properties if they cannot be decoded."""
    try:
        bytes_of_frame = asyncio.StreamReader()
        bytes_of_frame.feed_data(frame)
        await FrameReceiver(bytes_of_frame).get_frame()
    except Exception:  # noqa: BLE001 -- the decoder raises many classes for hostile bytes
        kind, channel, _ = _HEAD.unpack_from(frame)
        class_id, weight, body, _ = _PROPERTIES.unpack_from(frame, _HEAD.size)
        return _HEAD.pack(kind, channel, _PROPERTIES.size) + _PROPERTIES.pack(class_id, weight, body, 0) + frame[-1:]
    return frame
