"""The gauges of an application: the lag of its subscriptions and the problems of its health, read at an interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import anyio

from .._subscriptions.status import SubscriptionStatus
from .._telemetry.metrics import (
    BACKLOG,
    COVERED,
    HEALTHY,
    LAG,
    LAG_UNKNOWN,
    PARKED,
    PROBLEM_CODE,
    PROBLEM_SEVERITY,
    PROBLEM_SUBJECT,
    PROBLEMS,
    PROCESS_NAME,
    PROCESS_STATE,
    PROCESSES,
    REASON,
    RETRYING,
    SUBSCRIPTION,
    Metric,
)
from .._telemetry.recorder import Reading
from ..errors import StorageError, TransientFailure
from .health import Health, health
from .problems import Problem

if TYPE_CHECKING:
    from .running import Running


class Gauges:
    """Publishes the gauges of a running application, until it stops.

    Args:
        running: the running application.
    """

    def __init__(self, running: Running) -> None:
        self._running = running
        self._recorder = running.assembly.services.recorder

    async def run(self) -> None:
        """Publish until cancelled. A store that does not answer leaves the lags unknown.

        After any other failure, the last values expire.
        """
        expired = list(self._unknown("stale"))
        try:
            while True:
                found = await health(self._running, self._running.parts.health)
                self._recorder.publish([*self._readings(found), *await self._of_processes(found)], expired)
                await anyio.sleep(self._recorder.interval)
        except anyio.get_cancelled_exc_class():
            self._recorder.publish(())
            raise

    def _readings(self, found: Health) -> Iterator[Reading]:
        for status in found.subscriptions:
            yield from self._of_subscription(status)
        if not found.ready:
            yield from self._unknown(found.problems[0].code)
        yield Reading(HEALTHY, int(found.healthy), self._recorder.attributes({}))
        for (code, severity, subject), count in Counter(map(_labels_of, found.problems)).items():
            attributes = {PROBLEM_CODE: code, PROBLEM_SEVERITY: severity, PROBLEM_SUBJECT: subject}
            named = {name: value for name, value in attributes.items() if value}
            yield Reading(PROBLEMS, count, self._recorder.attributes(named))

    async def _of_processes(self, found: Health) -> Sequence[Reading]:
        """Return the number of processes by name and state, if the application has processes and the store answers."""
        if not found.ready or not any(each.kind == "process" for each in found.subscriptions):
            return ()
        try:
            counts = await self._running.parts.write.processes.counts()
        except (TransientFailure, StorageError):
            return ()  # the next probe reports the store
        return [
            Reading(PROCESSES, count, self._recorder.attributes({PROCESS_NAME: name, PROCESS_STATE: state}))
            for (name, state), count in counts.items()
        ]

    def _of_subscription(self, status: SubscriptionStatus) -> Iterator[Reading]:
        name = status.name
        if status.lag_unknown_code is not None:
            yield self._lag_unknown(name, status.lag_unknown_code)
        if status.lag_seconds is not None:
            yield self._reading(LAG, name, status.lag_seconds)
        if status.lag_unknown_code != "events_lost":
            yield self._reading(BACKLOG, name, status.lag)
        yield self._reading(PARKED, name, status.parked)
        yield self._reading(RETRYING, name, status.retrying)
        if status.state not in ("inline", "paused"):
            yield self._reading(COVERED, name, int(status.covered))

    def _unknown(self, reason: str) -> Iterator[Reading]:
        """Yield that every lag is unknown."""
        for worker in self._running.workers:
            yield self._lag_unknown(worker.subscription.name, reason)

    def _lag_unknown(self, subscription: str, reason: str) -> Reading:
        return Reading(LAG_UNKNOWN, 1, self._recorder.attributes({SUBSCRIPTION: subscription, REASON: reason}))

    def _reading(self, metric: Metric, subscription: str, value: float) -> Reading:
        return Reading(metric, value, self._recorder.attributes({SUBSCRIPTION: subscription}))


def _labels_of(problem: Problem) -> tuple[str, str, str]:
    """Return code, severity and subject. The ids of scheduled commands are not bounded, and are left out."""
    return problem.code, problem.severity, "" if problem.code.startswith("schedule_") else problem.subject
