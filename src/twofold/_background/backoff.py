"""Exponential backoff."""

from __future__ import annotations

from random import uniform
from typing import Final

_DOUBLINGS: Final = 64
"""The number of doublings after which a delay no longer grows. Any delay has reached its limit by then."""


class Backoff:
    """Delays that double from a first delay to a last one. The defaults suit a store or a broker that does not answer.

    Args:
        first: the first delay, in seconds.
        last: the longest delay, in seconds.
        jitter: draw each delay at random between 0 and its length, so that clients that failed at the same time do not
            retry at the same time ("full jitter", Marc Brooker, AWS Architecture Blog, 2015).
    """

    __slots__ = ("_count", "_first", "_jitter", "_last")

    def __init__(self, first: float = 0.05, last: float = 5.0, *, jitter: bool = False) -> None:
        self._first = first
        self._last = last
        self._jitter = jitter
        self._count = 0

    def next(self) -> float:
        """Return the delay to wait now, in seconds. The delay after it is twice as long."""
        delay = exponential(self._first, self._last, self._count)
        self._count += 1
        return uniform(0, delay) if self._jitter else delay  # noqa: S311 -- jitter needs no secrecy

    def reset(self) -> None:
        """Start with the first delay again. Call it after a success."""
        self._count = 0


def exponential(first: float, last: float, doublings: int) -> float:
    """Return a delay after a number of doublings, in seconds. It is at most `last`."""
    return min(first * 2.0 ** min(doublings, _DOUBLINGS), last)
