"""A worker process of the shop: `python -m tests.crash.worker URL`. SIGTERM stops it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.crash.points import Fate, Pointed
from tests.crash.shop import application
from tests.crash.stores import Place, both


async def work(
    url: str,
    *,
    read: str | None = None,
    fate: Fate | None = None,
    steps: Path | None = None,
    lease: float = 1.0,
    idle: int | None = None,
    store: Callable[[Any], Any] | None = None,
) -> None:
    """Run the subscriptions until told to stop.

    Args:
        url: the database; its tables are there.
        read: that of the read side, when it is another one.
        fate: what happens to this process.
        steps: where it records its committed steps.
        lease: how long others wait before they take over, in seconds.
        idle: after how many seconds the server throws out a session that rests in a transaction.
        store: makes a store that breaks a promise.
    """
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    async with both(Place(url, read), idle=idle) as sound:
        pointed: Any = Pointed(sound.write, fate, steps)
        reading: Any = None if read is None else Pointed(sound.read, fate, steps)
        async with application(pointed if store is None else store(pointed), work=True, lease=lease, read=reading):
            await told.wait()


def main() -> None:
    """Read the command line and work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--fate", type=Fate.read, help='such as "before commit 3 SIGKILL"')
    parser.add_argument("--steps", type=Path)
    parser.add_argument("--lease", type=float, default=1.0)
    parser.add_argument("--idle", type=int)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    asyncio.run(work(options.url, fate=options.fate, steps=options.steps, lease=options.lease, idle=options.idle))


if __name__ == "__main__":
    main()
