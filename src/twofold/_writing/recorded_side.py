"""The write side of an application whose telemetry is on: it records appends and commits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from .._definitions.envelope import Envelope
from .._telemetry.metrics import APPEND_DURATION
from .._telemetry.recorder import SILENT, Recorder
from .._telemetry.spans import APPEND, COMMIT, COUNT
from ..ports.event_log import StoredEvent
from ..ports.transactions import WriteTransaction
from .changes import Changes
from .storage import Append, WriteSide


@dataclass(frozen=True, slots=True)
class RecordedSide(WriteSide):
    """Records the span and duration of each append, and the span of each commit.

    Attributes:
        recorder: records telemetry.
    """

    recorder: Recorder = SILENT

    async def _append(
        self, transaction: WriteTransaction, appends: Sequence[Append], changes: Changes, cause: Callable[[], Envelope]
    ) -> list[StoredEvent]:
        count = sum(len(events) for _, events, _ in appends)
        labels = self.recorder.attributes({})
        with self.recorder.span(APPEND, "", {COUNT: count}, duration=APPEND_DURATION, labels=labels):
            return await WriteSide._append(self, transaction, appends, changes, cause)


def recorded_side(side: WriteSide, recorder: Recorder) -> WriteSide:
    """Return a write side that records appends and commits."""

    async def commit(transaction: WriteTransaction) -> None:
        with recorder.span(COMMIT, "", {}):
            await transaction.commit()

    found = {each.name: getattr(side, each.name) for each in fields(side)}
    return RecordedSide(**{**found, "commit": commit}, recorder=recorder)
