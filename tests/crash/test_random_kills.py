"""Processes that are killed at any moment."""

from __future__ import annotations

from functools import partial
from random import Random

import pytest

from tests.crash.lab import Lab

KILLS = 6


# `test_points` runs on every database.
@pytest.mark.parametrize(
    "url",
    ["postgresql", *(pytest.param(kind, marks=pytest.mark.everywhere) for kind in ("sqlite", "mariadb"))],
    indirect=True,
)
async def test_killed_at_random(lab: Lab, round_number: int) -> None:
    """Workers and writers are killed whatever they are doing, and others come in their place."""
    random = Random(round_number)
    starts = [partial(lab.writer, round_number)] * 2 + [partial(lab.worker)] * 3
    members = [start() for start in starts]
    for _ in range(KILLS):
        await lab.more(random.randint(1, 12))
        place = random.randrange(len(members))
        members[place].kill()
        members[place] = starts[place]()
    await lab.finish()
