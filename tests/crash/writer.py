"""A process that dispatches commands: `python -m tests.crash.writer URL SEED JOURNAL`. SIGTERM stops it.

A command is appended to the journal after it was answered. A command that was refused, or whose outcome is unknown, is
not repeated and not in the journal. A dispatch must not have any other outcome.
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
from twofold.errors import CommitUnknown, ConcurrencyConflict, TransientFailure

logger = logging.getLogger("tests.crash.writer")

LANES = 2
"""Commands that a writer has under way at a time."""

SHARE = 3
LONGEST = 1.0
"""A lane rests for this multiple of the duration of its command, up to a number of seconds.

Each command causes work for other processes. Without the rest, this work would accumulate on a busy machine.
"""


async def write(
    url: str,
    seed: str,
    journal: Path,
    *,
    read: str | None = None,
    fate: Fate | None = None,
    pause: float = 0.1,
    idle: float | None = None,
) -> None:
    """Dispatch commands until a stop signal arrives.

    Args:
        url: the database, with its tables.
        seed: determines the commands, and is part of their ids.
        journal: the file for the ids of answered commands, one per line.
        read: the URL of the read database, if it is a separate one.
        fate: the failure of this process.
        pause: the average seconds of rest after a command.
        idle: seconds after which the server ends a session that is idle in a transaction.
    """
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    file = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    async with (
        both(Place(url, read), idle=idle) as stores,
        application(
            Pointed(stores.write, fate), work=False, lease=1.0, read=None if read is None else stores.read
        ) as app,
    ):
        await asyncio.gather(*(_dispatch(app, f"{seed}.{lane}", file, stopping, pause) for lane in range(LANES)))


async def _dispatch(app: Application, seed: str, journal: int, stopping: asyncio.Event, pause: float) -> None:
    random, number, clock = Random(seed), 0, asyncio.get_running_loop().time
    while not stopping.is_set():
        number += 1
        began = clock()
        command = _command(random, f"{seed}.{number}")
        try:
            await app.dispatch(command)
        except (CommitUnknown, ConcurrencyConflict, TransientFailure) as error:
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
    parser.add_argument("--pause", type=float, default=0.1)
    parser.add_argument("--idle", type=float)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    more = {"read": options.read, "fate": options.fate, "pause": options.pause, "idle": options.idle}
    asyncio.run(write(options.url, options.seed, options.journal, **more))


if __name__ == "__main__":
    main()
