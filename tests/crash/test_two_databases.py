"""A write side and a read side in databases of different kinds, and processes that are killed between the two."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from random import Random

import pytest

from tests.crash.lab import Lab
from tests.crash.points import Fate

KILLS = 6


@pytest.fixture(
    params=["sqlite", "postgresql>mariadb", pytest.param("mariadb>postgresql", marks=pytest.mark.everywhere)]
)
async def lab(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Lab]:
    """Give a lab on two databases."""
    kinds = request.param.split(">") if ">" in request.param else [request.param] * 2
    write, read = [_new_url(request, kind, tmp_path / f"{side}.db") for kind, side in zip(kinds, "wr", strict=True)]
    lab = Lab(write, tmp_path, read)
    await lab.prepare()
    yield lab
    lab.close()


def _new_url(request: pytest.FixtureRequest, kind: str, file: Path) -> str:
    if kind == "sqlite":
        return f"sqlite+aiosqlite:///{file}"
    server = "mysql" if kind == "mariadb" else kind
    new: str = request.getfixturevalue(f"new_{server}_url")()
    return new


async def test_killed_at_random_between_two_databases(lab: Lab, round_number: int) -> None:
    """Rows and checkpoint are in one database, the log is in another.

    Each event counts once, whichever process is killed.
    """
    random = Random(round_number)
    starts = [partial(lab.writer, round_number), *[partial(lab.worker)] * 3]
    members = [start() for start in starts]
    for _ in range(KILLS):
        await lab.more(random.randint(1, 12))
        place = random.randrange(len(members))
        members[place].kill()
        members[place] = starts[place]()
    await lab.finish()


async def test_killed_around_the_commits_of_two_databases(lab: Lab, round_number: int) -> None:
    """Workers are killed before and after each operation on either database."""
    points = ("write", "advance", "take", "commit")
    fates = [Fate(moment, point, 2) for point in points for moment in ("before", "after")]
    Random(round_number).shuffle(fates)
    lab.writer(round_number)
    await lab.more(5)
    await lab.relay(lab.worker, fates, together=2)
    await lab.finish()
