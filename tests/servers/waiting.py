"""Waiting where no event loop runs; coroutines use `until` of the conformance suites, which this repeats."""

from __future__ import annotations

import time
from collections.abc import Callable

from twofold.testing.conformance._tools.in_time import CEILING


def wait_until(condition: Callable[[], bool], what: str, *, pause: float = 0.02) -> None:
    """Wait until a condition holds that a process or a server causes.

    Args:
        condition: returns whether the condition holds.
        what: the expectation, for the error: "the server was to stop".
        pause: seconds between two checks.

    Raises:
        AssertionError: the condition did not hold in time.
    """
    deadline = time.monotonic() + CEILING
    while not condition():
        assert time.monotonic() < deadline, f"after {CEILING:g} s: {what}"
        time.sleep(pause)
