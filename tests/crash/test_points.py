"""Processes that are killed at each named point."""

from __future__ import annotations

from random import Random

import anyio

from tests.crash.lab import Lab
from tests.crash.points import POINTS, Fate

WRITING = ("begin", "state", "append", "commit")
"""The points to which a writer comes."""


async def test_killed_at_every_point(lab: Lab, round_number: int) -> None:
    """Workers and writers are killed before and after whatever they do; nothing is lost, and nothing happens twice."""
    random = Random(round_number)
    workers = [Fate(moment, point, random.randint(1, 2)) for point in POINTS for moment in ("before", "after")]
    writers = [Fate(moment, point, random.randint(1, 6)) for point in WRITING for moment in ("before", "after")]
    random.shuffle(workers)
    random.shuffle(writers)
    lab.writer(round_number)
    await lab.more(5)
    async with anyio.create_task_group() as relays:
        relays.start_soon(lambda: lab.relay(lab.worker, workers, together=3))
        relays.start_soon(lambda: lab.relay(lambda fate: lab.writer(round_number, fate), writers, together=1))
    await lab.finish()
