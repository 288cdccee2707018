"""The status of subscriptions, and of their parked events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from .._definitions.position import Position
from ..ports.checkpoints import Checkpoint
from ..ports.parked import ParkedEventReader

_NAMED = 5
"""The number of keys that an error names."""

SubscriptionState: TypeAlias = Literal["running", "standby", "failing", "stopped", "inline"]


@dataclass(frozen=True, slots=True)
class SubscriptionStatus:
    """The current status of one subscription.

    Attributes:
        name: the name of the subscription.
        kind: "projection", "event_handler", "relay" or "cache".
        state: "running" or "failing" in this process; "standby" if other processes run it and this process can take over;
            "stopped" if this process does not run it; "inline" if commands apply it themselves.
        position: the position of its checkpoint; `START` if it never ran.
        lag: the number of events after the checkpoint. A subscription that is stopped here may be running elsewhere.
        parked: the number of parked events, which wait for `retry` or `discard`.
        retrying: the number of events with a pending retry, including later events of the same keys.
        error: the current failure as a text; empty if there is none.
    """

    name: str
    kind: str
    state: SubscriptionState
    position: Position
    lag: int
    parked: int = 0
    retrying: int = 0
    error: str = ""


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
