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
    idle: float | None = None,
    store: Callable[[Any], Any] | None = None,
) -> None:
    """Run the subscriptions until a stop signal arrives.

    Args:
        url: the database, with its tables.
        read: the URL of the read database, if it is a separate one.
        fate: the failure of this process.
        steps: the file for its committed steps.
        lease: the duration of its leases, in seconds.
        idle: seconds after which the server ends a session that is idle in a transaction.
        store: creates a store that breaks a promise.
    """
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with both(Place(url, read), idle=idle) as sound:
        pointed: Any = Pointed(sound.write, fate, steps)
        reading: Any = None if read is None else Pointed(sound.read, fate, steps)
        async with application(pointed if store is None else store(pointed), work=True, lease=lease, read=reading):
            await stopping.wait()


def main() -> None:
    """Read the command line and work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--fate", type=Fate.read, help='such as "before commit 3 SIGKILL"')
    parser.add_argument("--steps", type=Path)
    parser.add_argument("--lease", type=float, default=1.0)
    parser.add_argument("--idle", type=float)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    asyncio.run(work(options.url, fate=options.fate, steps=options.steps, lease=options.lease, idle=options.idle))


if __name__ == "__main__":
    main()
