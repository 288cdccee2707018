"""The write side of an application whose telemetry is on: it records appends and commits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Final

from .._definitions.envelope import Envelope
from .._telemetry.metrics import APPEND_DURATION
from .._telemetry.recorder import SILENT, Attributes, Recorder
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
        labels: the attributes of the duration of an append.
    """

    recorder: Recorder = SILENT
    labels: Attributes = field(default_factory=dict)

    async def _append(
        self, transaction: WriteTransaction, appends: Sequence[Append], changes: Changes, cause: Callable[[], Envelope]
    ) -> list[StoredEvent]:
        count = sum(len(events) for _, events, _ in appends)
        with self.recorder.span(APPEND, "", {COUNT: count}, duration=APPEND_DURATION, labels=self.labels):
            return await WriteSide._append(self, transaction, appends, changes, cause)


_NONE: Final[Attributes] = {}


def recorded_side(side: WriteSide, recorder: Recorder) -> WriteSide:
    """Return a write side that records appends and commits."""

    async def commit(transaction: WriteTransaction) -> None:
        with recorder.span(COMMIT, "", _NONE):
            await transaction.commit()

    found = {each.name: getattr(side, each.name) for each in fields(side)}
    return RecordedSide(**{**found, "commit": commit}, recorder=recorder, labels=recorder.attributes({}))
