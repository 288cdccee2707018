"""The lag of a reader of the event log in seconds, or why it is not known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from ..ports.checkpoints import Checkpoint
from ..ports.event_log import EventLog

LagUnknown: TypeAlias = Literal["events_lost", "open_transaction", "clock_ahead"]
"""Why a lag is not known, as a code that does not change between releases."""


@dataclass(frozen=True, slots=True)
class LagTime:
    """The lag of a subscription in seconds.

    Attributes:
        seconds: the age of the first event that it has not processed; 0 if it has processed all events; None if the age
            is not known.
        unknown: why the age is not known; empty if it is known.
        reason: the same as a code.
    """

    seconds: float | None
    unknown: str = ""
    reason: LagUnknown | None = None


async def lag_time(log: EventLog, checkpoint: Checkpoint, now: datetime) -> LagTime:
    """Return the age of the first event after a checkpoint that is behind the head of the log.

    It is measured by the times of events, which come from the clocks of the processes that recorded them.

    Args:
        log: the event log.
        checkpoint: a checkpoint behind the head. Its event is in the log.
        now: the current time.
    """
    page = await log.read_all(after=checkpoint.position, limit=1)
    if not page.events:
        return LagTime(
            None,
            "a transaction that is still open holds the next position, or the log was changed meanwhile",
            "open_transaction",
        )
    age = (now - page.events[0].time).total_seconds()
    if age < 0:
        ahead = f"the next event was recorded {-age:.1f} s in the future"
        text = f"{ahead}: the clock of the process that recorded it is ahead of the clock of this one"
        return LagTime(None, text, "clock_ahead")
    return LagTime(age)
