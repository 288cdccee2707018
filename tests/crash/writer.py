"""A process that dispatches commands: `python -m tests.crash.writer URL SEED JOURNAL`. SIGTERM stops it.

A command is written into the journal, for good, after it was answered. One that was refused, or whose outcome is unknown, is
not repeated, and is not in the journal; nothing but those outcomes may come of a dispatch.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
from pathlib import Path
from random import Random

from tests.crash.points import Fate, Pointed
from tests.crash.shop import ACCOUNTS, TILLS, Deposit, Sell, application
from tests.crash.stores import Place, both
from twofold import Application
from twofold.errors import CommitFailed, ConcurrencyConflict, TransientFailure

logger = logging.getLogger("tests.crash.writer")

LANES = 2
"""Commands that a writer has under way at a time."""

SHARE = 3
LONGEST = 1.0
"""A lane rests so many times as long as its command took, at most so many seconds. Each command leaves work to others, which
takes as long; without the rest it would pile up on a busy machine."""


async def write(
    url: str,
    seed: str,
    journal: Path,
    *,
    read: str | None = None,
    fate: Fate | None = None,
    pause: float = 0.03,
    idle: int | None = None,
) -> None:
    """Dispatch commands until told to stop.

    Args:
        url: the database; its tables are there.
        seed: decides which commands, and is part of their ids.
        journal: where the ids of answered commands go, a line each.
        read: the database of the read side, when it is another one.
        fate: what happens to this process.
        pause: seconds to rest after a command, on average.
        idle: after how many seconds the server throws out a session that rests in a transaction.
    """
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    file = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    async with (
        both(Place(url, read), idle=idle) as stores,
        application(
            Pointed(stores.write, fate), work=False, lease=1.0, read=None if read is None else stores.read
        ) as app,
    ):
        await asyncio.gather(*(_dispatch(app, f"{seed}.{lane}", file, told, pause) for lane in range(LANES)))


async def _dispatch(app: Application, seed: str, journal: int, told: asyncio.Event, pause: float) -> None:
    random, number, clock = Random(seed), 0, asyncio.get_running_loop().time
    while not told.is_set():
        number += 1
        began = clock()
        command = _command(random, f"{seed}.{number}")
        try:
            await app.dispatch(command)
        except (CommitFailed, ConcurrencyConflict, TransientFailure) as error:
            logger.info("%s was not answered: %s", command.by, error)
        else:
            os.write(journal, f"{command.by}\n".encode())
            os.fsync(journal)
        await asyncio.sleep(random.uniform(0, 2 * pause) + min(SHARE * (clock() - began), LONGEST))


def _command(random: Random, by: str) -> Deposit | Sell:
    account, amount = random.choice(sorted(ACCOUNTS)), random.randint(10, 500)
    if random.random() < 0.5:
        return Deposit(by=by, account=account, amount=amount)
    return Sell(by=by, account=account, till=random.choice(TILLS), amount=amount)


def main() -> None:
    """Read the command line and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("seed")
    parser.add_argument("journal", type=Path)
    parser.add_argument("--read")
    parser.add_argument("--fate", type=Fate.read, help='such as "after commit 3 SIGKILL"')
    parser.add_argument("--pause", type=float, default=0.03)
    parser.add_argument("--idle", type=int)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    more = {"read": options.read, "fate": options.fate, "pause": options.pause, "idle": options.idle}
    asyncio.run(write(options.url, options.seed, options.journal, **more))


if __name__ == "__main__":
    main()
