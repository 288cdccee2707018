"""The delays of a consumer, which decide how soon it receives after Redis has returned."""

from __future__ import annotations

from inspect import signature

from twofold_redis import RedisStreams
from twofold_redis._streams import consumer, leases

BACK = 10.0
"""The maximum seconds from the return of Redis to the next attempt to receive, with the default timeouts."""


def test_a_consumer_is_back_within_ten_seconds() -> None:
    """The longest delay and one failing attempt together do not exceed the limit, for reads and for leases."""
    timeout = signature(RedisStreams).parameters["timeout"].default
    assert timeout + max(consumer.DELAY, leases.LONGEST_PAUSE) <= BACK


def test_the_streams_of_a_dead_process_are_claimed_within_ten_seconds() -> None:
    """Leases expire, and the next round of another process claims them."""
    idle = signature(RedisStreams).parameters["idle"].default
    assert idle + leases.LONGEST_PAUSE <= BACK
