"""Workers that fall asleep for longer than their leases last, and wake up again."""

from __future__ import annotations

import signal

import pytest

from tests.crash.lab import SERVERS, Lab, told
from tests.crash.points import Fate
from twofold.testing.conformance._tools.in_time import until


async def test_a_sleeping_worker_is_replaced_and_writes_nothing_when_it_wakes(lab: Lab, round_number: int) -> None:
    """Others take over what a stopped worker holds, while it sleeps; awake again, it works on as one of several."""
    lab.writer(round_number)
    sleeper = lab.worker(Fate("before", "begin", 12, signal.SIGSTOP))
    lab.worker()
    await until(sleeper.asleep, told("the worker was to fall asleep", *lab.members))
    await lab.held_by(1)
    await lab.more(10)
    await lab.caught_up()
    sleeper.send(signal.SIGCONT)
    await lab.held_by(2)
    await lab.finish()


@pytest.mark.parametrize("url", SERVERS, indirect=True)
async def test_workers_that_sleep_inside_a_transaction_are_thrown_out(lab: Lab, round_number: int) -> None:
    """Where the server ends idle transactions, what sleeping workers have locked is free again while they sleep."""
    lab.end_idle()
    lab.writer(round_number)
    sleepers = [lab.worker(Fate("after", point, 3, signal.SIGSTOP)) for point in ("advance", "append")]
    lab.worker()
    await until(lambda: all(each.asleep() for each in sleepers), told("two workers were to sleep", *lab.members))
    await lab.held_by(1)
    await lab.more(10)
    await lab.caught_up()
    for sleeper in sleepers:
        sleeper.send(signal.SIGCONT)
    await lab.held_by(2, 3)
    await lab.finish()
