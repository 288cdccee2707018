"""Exponential backoff: delays double, stop at the limit, and start again after a success."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from twofold._background.backoff import Backoff, exponential

seconds = st.floats(min_value=0.001, max_value=3600)


def test_delays_double_up_to_the_last() -> None:
    """Each delay is twice as long as the one before it, up to the limit."""
    backoff = Backoff(0.1, 0.5)
    assert [backoff.next() for _ in range(5)] == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_a_reset_starts_with_the_first_delay() -> None:
    """After a success the first delay comes again."""
    backoff = Backoff(0.1, 0.5)
    backoff.next()
    backoff.next()
    backoff.reset()
    assert backoff.next() == 0.1


def test_the_first_delay_is_never_above_the_last() -> None:
    """A limit below the first delay wins."""
    assert Backoff(0.5, 0.1).next() == 0.1


@given(first=seconds, last=seconds, count=st.integers(min_value=1, max_value=2000))
def test_delays_never_fall_and_never_exceed_the_last(first: float, last: float, count: int) -> None:
    """However often a delay is doubled, it neither falls nor overflows."""
    delays = [exponential(first, last, each) for each in (count - 1, count)]
    assert delays == sorted(delays)
    assert delays[-1] <= last


@given(first=seconds, last=seconds)
def test_jitter_stays_within_the_delay(first: float, last: float) -> None:
    """With full jitter each delay is between 0 and the delay without jitter."""
    plain, jittered = Backoff(first, last), Backoff(first, last, jitter=True)
    for _ in range(20):
        assert 0 <= jittered.next() <= plain.next()


def test_jitter_spreads_clients() -> None:
    """Clients that fail at the same time do not retry at the same time."""
    delays = [Backoff(1.0, 1.0, jitter=True).next() for _ in range(20)]
    assert all(one != other for one, other in pairwise(delays))
