"""Workers that are paused for longer than their leases, and resume."""

from __future__ import annotations

import signal

import pytest

from tests.crash.lab import SERVERS, Lab, with_logs
from tests.crash.points import Fate
from twofold.testing.conformance._tools.in_time import until


async def test_a_paused_worker_is_replaced_and_writes_nothing_when_it_resumes(lab: Lab, round_number: int) -> None:
    """Other workers take over from a stopped worker. After the paused worker resumes, it works as one of several."""
    lab.writer(round_number)
    paused = lab.worker(Fate("before", "begin", 12, signal.SIGSTOP))
    lab.worker()
    await until(paused.is_paused, with_logs("the worker was to pause", *lab.members))
    await lab.held_by(1)
    await lab.more(10)
    await lab.caught_up()
    paused.send(signal.SIGCONT)
    await lab.held_by(2)
    await lab.finish()


@pytest.mark.parametrize("url", SERVERS, indirect=True)
async def test_the_server_ends_transactions_of_paused_workers(lab: Lab, round_number: int) -> None:
    """If the server ends idle transactions, the locks of paused workers are released during the pause."""
    lab.end_idle()
    lab.writer(round_number)
    paused = [lab.worker(Fate("after", point, 3, signal.SIGSTOP)) for point in ("advance", "append")]
    lab.worker()
    await until(lambda: all(each.is_paused() for each in paused), with_logs("two workers were to pause", *lab.members))
    await lab.held_by(1)
    await lab.more(10)
    await lab.caught_up()
    for each in paused:
        each.send(signal.SIGCONT)
    await lab.held_by(2, 3)
    await lab.finish()
