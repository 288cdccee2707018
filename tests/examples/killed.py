"""An import whose process ends itself in the middle: `python -m tests.examples.killed FOLDER FILE MODEL`."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
from pathlib import Path

from orders.composition import running
from orders.importing import import_orders


class Deadly(io.FileIO):
    """A file that ends the process (SIGKILL) when the second half is read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._half = path.stat().st_size // 2

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, unless half of the file was read."""
        if self.tell() > self._half:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(size) or b""


async def run(folder: Path, file: Path, *, event_sourced: bool) -> None:
    """Import the file into the database of a folder, as far as that goes."""
    async with running(f"sqlite+aiosqlite:///{folder / 'orders.db'}", None, event_sourced=event_sourced) as app:
        await import_orders(app, Deadly(file), folder / "r.csv")


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), Path(sys.argv[2]), event_sourced=sys.argv[3] == "event-sourced"))
