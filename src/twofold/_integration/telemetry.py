"""The telemetry of messaging with other applications."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from .._subscriptions.telemetry import trace_of
from .._telemetry.metrics import CONSUMED, CONSUMER, ERROR_TYPE, OPERATION, OUTCOME, SENT, SYSTEM
from .._telemetry.recorder import SILENT, Recorder, type_of
from .._telemetry.spans import COUNT, OPERATION_TYPE, PUBLISH, RECEIVE
from ..errors import MessageTooLarge
from ..ports.event_log import StoredEvent
from ..ports.publisher import Outcome
from .cloud_events import InboundEvent
from .recording import Received


class RelayTelemetry:
    """Records what a relay sends.

    Args:
        recorder: records telemetry.
        system: the name of the messaging system.
        source: the name of the application.
    """

    def __init__(self, recorder: Recorder, system: str, source: str) -> None:
        self._recorder = recorder
        self._source = source
        self._labels = {SYSTEM: system, OPERATION: "publish"}

    def publishing(self, events: Sequence[StoredEvent]) -> AbstractContextManager[object]:
        """Return a context manager that records the publication of events, with links to their spans."""
        if not self._recorder.on or not events:
            return nullcontext()
        attributes = self._recorder.attributes({**self._labels, OPERATION_TYPE: "send", COUNT: len(events)})
        return self._recorder.span(PUBLISH, self._source, attributes, links=[trace_of(each) for each in events])

    def sent(self, outcomes: Sequence[Outcome | MessageTooLarge]) -> None:
        """Count the outcomes of messages."""
        if not self._recorder.on:
            return
        for each in outcomes:
            found = {**self._labels, OUTCOME: each.value if isinstance(each, Outcome) else "too_large"}
            if each is not Outcome.CONFIRMED:
                found[ERROR_TYPE] = found[OUTCOME] if isinstance(each, Outcome) else type_of(each)
            self._recorder.record(SENT, 1, self._recorder.attributes(found))


UNRECORDED: Final = RelayTelemetry(SILENT, "", "")
"""The telemetry of a relay that records none."""


class InboundTelemetry:
    """Records what a consumer receives.

    Args:
        recorder: records telemetry.
        system: the name of the messaging system.
        consumer: the name of the consumer.
    """

    def __init__(self, recorder: Recorder, system: str, consumer: str) -> None:
        self._recorder = recorder
        self._consumer = consumer
        self._labels = {SYSTEM: system, OPERATION: "receive", CONSUMER: consumer}

    def recording(self, received: Sequence[Received]) -> AbstractContextManager[object]:
        """Return a context manager that records how events are recorded in the log, with links to their spans."""
        events = [found for _, found in received if isinstance(found, InboundEvent)] if self._recorder.on else ()
        if not events:
            return nullcontext()
        attributes = self._recorder.attributes({**self._labels, OPERATION_TYPE: "receive", COUNT: len(events)})
        links = [json.loads(each.event.metadata).get("trace", {}) for each in events]
        return self._recorder.span(RECEIVE, self._consumer, attributes, links=links)

    def consumed(self, recorded: Sequence[Received], parked: int) -> None:
        """Count messages that were recorded or parked. Progress reports do not count."""
        count = sum(isinstance(found, InboundEvent) for _, found in recorded)
        for number, outcome in ((count, "recorded"), (parked, "parked")):
            if number:
                found = {**self._labels, OUTCOME: outcome}
                self._recorder.record(CONSUMED, number, self._recorder.attributes(found))
