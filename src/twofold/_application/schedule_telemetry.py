"""The telemetry of scheduled commands."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal

from .._telemetry.metrics import ERROR_TYPE, MESSAGE_TYPE, OUTCOME, SCHEDULE_DELAY, SCHEDULE_FAILURES
from .._telemetry.recorder import Recorder, Trace, type_of
from .._telemetry.spans import ATTEMPT, SCHEDULED
from ..ports.schedule import ScheduledCommand


class ScheduleTelemetry:
    """Records one attempt to dispatch a scheduled command.

    Args:
        recorder: records telemetry.
        entry: the entry of the command.
    """

    def __init__(self, recorder: Recorder, entry: ScheduledCommand) -> None:
        self._recorder = recorder
        self._entry = entry

    def dispatching(self, trace: Trace) -> AbstractContextManager[object]:
        """Return a context manager that records the dispatch, with a link to the span that scheduled the command."""
        attributes = self._recorder.attributes({MESSAGE_TYPE: self._entry.name, ATTEMPT: self._entry.attempts + 1})
        return self._recorder.span(SCHEDULED, self._entry.name, attributes, links=[trace] if trace else ())

    def delayed(self, seconds: float) -> None:
        """Record for how long the command had been due."""
        self._recorder.record(SCHEDULE_DELAY, seconds, self._recorder.attributes({MESSAGE_TYPE: self._entry.name}))

    def failed(self, outcome: Literal["retry", "stuck", "skipped"], error: Exception) -> None:
        """Count a failed attempt."""
        found = {MESSAGE_TYPE: self._entry.name, OUTCOME: outcome, ERROR_TYPE: type_of(error)}
        self._recorder.record(SCHEDULE_FAILURES, 1, self._recorder.attributes(found))
