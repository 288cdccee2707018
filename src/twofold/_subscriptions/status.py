"""The status of subscriptions, and of their parked events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .._consistency.age import LagUnknown
from .._definitions.position import Position
from ..ports.checkpoints import Checkpoint
from ..ports.parked import ParkedEvent, ParkedEventReader
from ..ports.subscription_store import Pause
from .owners import SubscriptionWorker

_NAMED = 5
"""The number of keys that an error names."""

SubscriptionState: TypeAlias = Literal["running", "standby", "failing", "paused", "stopped", "inline"]


OverallState: TypeAlias = Literal["running", "partly running", "no worker", "failing", "paused", "inline"]


@dataclass(frozen=True, slots=True)
class SubscriptionStatus:
    """The current status of one subscription.

    Attributes:
        name: the name of the subscription.
        kind: "projection", "event_handler", "process", "relay" or "cache".
        state: "running" or "failing" in this process; "paused" if an operator has paused it in all processes; "standby" if
            other processes run it and this process can take over; "stopped" if this process does not run it; "inline" if
            commands apply it themselves.
        position: the position of its checkpoint; `START` if it never ran.
        lag: the number of events after the checkpoint, exact up to 10,000. A larger lag is the distance from the checkpoint
            to the last event in positions, which also counts positions of appends that were rolled back. A subscription that
            is stopped here may be running elsewhere.
        parked: the number of parked events, which wait for `retry` or `discard`.
        retrying: the number of events with a pending retry, including later events of the same keys.
        error: the current failure as a text; empty if there is none.
        skipped: the number of events that this process has skipped since it started (`Retry(skip_on=…)`).
        pause: since when it is paused, and why; None if it is not paused.
        lag_seconds: the age of the first event after the checkpoint, in seconds; 0 if there is none; None if it is not
            known. Times of events come from the processes that recorded them.
        lag_unknown: why `lag_seconds` is not known; empty if it is known.
        lag_unknown_code: the same as a code that does not change between releases; None if it is known.
        workers: the processes that run it now, each with its partitions; none for an inline projection.
        covered: whether a process runs each of its partitions.
    """

    name: str
    kind: str
    state: SubscriptionState
    position: Position
    lag: int
    parked: int = 0
    retrying: int = 0
    error: str = ""
    skipped: int = 0
    pause: Pause | None = None
    lag_seconds: float | None = 0.0
    lag_unknown: str = ""
    lag_unknown_code: LagUnknown | None = None
    workers: tuple[SubscriptionWorker, ...] = ()
    covered: bool = False

    @property
    def overall(self) -> OverallState:
        """The state in all processes, as far as this process knows: "failing" is known where the subscription runs.

        "partly running" if no process runs some of its partitions, "no worker" if no process runs any.
        """
        if self.pause is not None:
            return "paused"
        if self.state in ("failing", "inline"):
            return self.state
        if self.covered:
            return "running"
        return "partly running" if self.workers else "no worker"


async def count_parked(parked: ParkedEventReader, subscription: str, checkpoint: Checkpoint) -> tuple[int, int]:
    """Return the number of parked events of a subscription, and the number of events with a pending retry."""
    if not checkpoint.parked:
        return 0, 0
    counts, pending = await parked.keys(subscription), await parked.retries(subscription)
    retrying = sum(count for key, count in counts.items() if key in pending)
    return sum(counts.values()) - retrying, retrying


async def nothing_parked(attempt: str, parked: ParkedEventReader, subscription: str, key: str) -> LookupError:
    """Return the error for a key without parked events. It names the keys that have some."""
    keys = sorted(await parked.keys(subscription))
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return LookupError(
        f"cannot {attempt} {key!r} of {subscription!r}: no event of the key is parked or has a pending retry. Keys with "
        f"such events: {', '.join(map(repr, keys[:_NAMED])) or 'none'}{more}."
    )


def not_parked(attempt: str, subscription: str, parked: Sequence[ParkedEvent], event_id: object) -> LookupError:
    """Return the error for an event that is not among the parked events of a key, of which there is at least one."""
    more = f" and {len(parked) - 1} later event(s)" if len(parked) > 1 else ""
    return LookupError(
        f"cannot {attempt} the event {event_id} of {parked[0].key!r} of {subscription!r}: the event is not parked. It was "
        f"retried or discarded, or has another key. Parked events of this key: {parked[0].event.id}{more}."
    )


def error_class(parked: ParkedEvent) -> str:
    """Return the name of the class of the error that parked an event; empty if it waits for an earlier event of its key."""
    name, colon, _ = parked.reason.partition(":")
    return name if colon and name.isidentifier() else ""
