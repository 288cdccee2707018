"""Polling: the first poll is immediate, the last one comes at the timeout."""

from __future__ import annotations

import anyio
import pytest

from twofold._background.backoff import Backoff
from twofold._background.polling import poll_until
from twofold.testing.conformance._tools.in_time import in_time

pytestmark = pytest.mark.anyio


class Countdown:
    """A condition that is true at the given poll."""

    def __init__(self, polls: int) -> None:
        self.left = polls

    async def __call__(self) -> bool:
        """Count down, and return whether 0 is reached."""
        self.left -= 1
        return self.left <= 0


async def test_a_true_condition_returns_immediately() -> None:
    """No delay comes before the first poll."""
    began = anyio.current_time()
    assert await poll_until(Countdown(1), Backoff(10, 10))
    assert anyio.current_time() - began < 5


async def test_a_condition_is_polled_until_it_is_true() -> None:
    """A condition that becomes true is noticed."""
    assert await poll_until(Countdown(4), Backoff(0.001, 0.01))


async def test_a_condition_that_stays_false_ends_at_the_timeout() -> None:
    """The timeout bounds the delays, and the condition is polled a last time when it has passed."""
    condition = Countdown(1_000_000)
    with in_time():
        assert not await poll_until(condition, Backoff(10, 10), seconds=0.01)
    assert condition.left == 1_000_000 - 2


async def test_no_timeout_polls_once() -> None:
    """With a timeout of 0 the condition is polled once."""
    condition = Countdown(2)
    assert not await poll_until(condition, Backoff(), seconds=0)
    assert condition.left == 1
