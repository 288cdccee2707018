"""The telemetry of one subscription."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Literal, TypeAlias

from .._definitions.message import Event
from .._telemetry.metrics import (
    BATCH_DURATION,
    CONSUMER,
    ERROR_TYPE,
    FAILURES,
    LEASE_CHANGES,
    OPERATION,
    OUTCOME,
    PROCESSED,
    SUBSCRIPTION,
    SUBSCRIPTION_KIND,
    SYSTEM,
)
from .._telemetry.recorder import SILENT, Recorder, Trace, type_of
from .._telemetry.spans import ATTEMPT, COUNT, OPERATION_TYPE, PROCESS
from ..ports.event_log import StoredEvent

LeaseChange: TypeAlias = Literal["acquired", "released", "lost"]


class SubscriptionTelemetry:
    """Records what a subscription does. Its name and kind are attributes of everything.

    Args:
        recorder: records telemetry.
        name: the name of the subscription.
        kind: its kind.
    """

    def __init__(self, recorder: Recorder, name: str, kind: str) -> None:
        self._recorder = recorder
        self._name = name
        self._kind = kind
        self._labels = recorder.attributes({SUBSCRIPTION: name})
        self._batch = recorder.attributes({SUBSCRIPTION: name, SUBSCRIPTION_KIND: kind})

    def batch(self, events: Sequence[tuple[StoredEvent, Event]], attempt: int = 1) -> AbstractContextManager[object]:
        """Return a context manager that records the block as one transaction of the subscription.

        Args:
            events: the events that are handled. An event handler handles the first one only.
            attempt: the number of this attempt.
        """
        if not self._recorder.on or not events:
            return nullcontext()
        handled = events[:1] if self._kind == "event_handler" else events
        attributes = self._recorder.attributes(
            {
                SYSTEM: "twofold",
                OPERATION: "process",
                OPERATION_TYPE: "process",
                CONSUMER: self._name,
                SUBSCRIPTION_KIND: self._kind,
                COUNT: len(handled),
                ATTEMPT: attempt,
            }
        )
        links = [trace_of(stored) for stored, _ in handled]
        return self._recorder.span(
            PROCESS, self._name, attributes, links=links, duration=BATCH_DURATION, labels=self._batch
        )

    def processed(self, count: int) -> None:
        """Count events that were processed and committed."""
        self._recorder.record(PROCESSED, count, self._labels)

    def failed(self, outcome: Literal["retry", "parked", "skipped"], error: Exception) -> None:
        """Count a failed attempt to process an event."""
        found = {SUBSCRIPTION: self._name, OUTCOME: outcome, ERROR_TYPE: type_of(error)}
        self._recorder.record(FAILURES, 1, self._recorder.attributes(found))

    def lease(self, change: LeaseChange) -> None:
        """Count a change of a lease."""
        found = {SUBSCRIPTION: self._name, OUTCOME: change}
        self._recorder.record(LEASE_CHANGES, 1, self._recorder.attributes(found))


UNRECORDED: Final = SubscriptionTelemetry(SILENT, "", "")
"""The telemetry of a subscription that records none."""


def trace_of(stored: StoredEvent) -> Trace:
    """Return the trace context that an event was recorded in; empty without tracing."""
    trace: Trace = json.loads(stored.metadata).get("trace", {})
    return trace
