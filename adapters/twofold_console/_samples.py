"""Samples of a running application: health, lag and throughput over the last minutes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import anyio

from twofold import Application, Health, SubscriptionStatus, TwofoldError

from ._sparkline import LONGEST

_EVERY = 2.0
"""Seconds between two samples."""

LONGEST_WAIT = 8.0
"""Seconds for which a page waits for the stores. A store that is cut off may not answer for minutes."""

_SHARE = 4
"""A sample that took t seconds is followed by a pause of at least `_SHARE` times t, so that a slow store is not burdened."""

_AWAY = ("store_unavailable", "store_failed")


@dataclass(frozen=True, slots=True)
class Sample:
    """The application at one moment.

    Attributes:
        at: the moment, in seconds of a monotonic clock.
        health: the result of the health probe.
        head: the position of the last event of the log; None if the store did not answer.
    """

    at: float
    health: Health
    head: int | None

    @property
    def away(self) -> str | None:
        """Why the stores could not be read; None if they could."""
        return next((str(each) for each in self.health.problems if each.code in _AWAY), None)

    @property
    def parked_messages(self) -> int:
        """The number of parked messages of all consumers, as far as it is known."""
        return sum(each.parked or 0 for each in self.health.consumers)

    def status(self, name: str) -> SubscriptionStatus | None:
        """Return the status of a subscription."""
        return next((each for each in self.health.subscriptions if each.name == name), None)


class Samples:
    """The last samples of an application.

    Args:
        application: a running application.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._samples: deque[Sample] = deque(maxlen=LONGEST + 1)
        self._lock = anyio.Lock()
        self._took = 0.0

    async def latest(self) -> Sample:
        """Return a sample that is at most a few seconds old."""
        async with self._lock:
            if not self._samples or time.monotonic() - self._samples[-1].at >= max(_EVERY / 2, _SHARE * self._took):
                await self.take()
            return self._samples[-1]

    async def run(self) -> None:
        """Take samples without an end. While a store does not answer, there are none, and the pages say why."""
        while True:
            with suppress(TwofoldError, TimeoutError), anyio.fail_after(LONGEST_WAIT):
                await self.latest()
            await anyio.sleep(max(_EVERY, _SHARE * self._took))

    async def take(self) -> None:
        """Take a sample now."""
        begin = time.monotonic()
        health = await self._application.health()
        try:
            head: int | None = int(await self._application.write.log.head())
        except TwofoldError:
            head = None  # the health probe reports a store that is away
        self._samples.append(Sample(begin, health, head))
        self._took = time.monotonic() - begin

    def lag(self, name: str) -> Sequence[float]:
        """Return the lags of a subscription, in events, the oldest first."""
        found = (sample.status(name) for sample in self._samples)
        return [float(each.lag) for each in found if each is not None]

    def throughput(self, name: str) -> Sequence[float]:
        """Return the events per second by which the checkpoint of a subscription has moved."""
        return self._rates([(sample.at, _position(sample.status(name))) for sample in self._samples])

    def total_lag(self) -> Sequence[float]:
        """Return the sum of the lags of all subscriptions."""
        return [float(sum(each.lag for each in sample.health.subscriptions)) for sample in self._samples]

    def appended(self) -> Sequence[float]:
        """Return the events per second that were appended to the log."""
        return self._rates([(sample.at, sample.head) for sample in self._samples])

    def _rates(self, places: Sequence[tuple[float, int | None]]) -> Sequence[float]:
        known = [(at, place) for at, place in places if place is not None]
        return [
            max(0.0, (place - before) / (at - since)) for (since, before), (at, place) in pairwise(known) if at > since
        ]


def _position(status: SubscriptionStatus | None) -> int | None:
    return None if status is None else int(status.position)
