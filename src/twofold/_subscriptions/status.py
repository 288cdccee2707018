"""How the subscriptions of an application are doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from .._definitions.position import Position
from ..ports.checkpoints import Checkpoint
from ..ports.parked import ParkedEventReader

_NAMED = 5
"""How many keys an error names."""

SubscriptionState: TypeAlias = Literal["running", "standby", "failing", "stopped", "inline"]


@dataclass(frozen=True, slots=True)
class SubscriptionStatus:
    """One subscription, as it is now.

    Attributes:
        name: the name of its checkpoint.
        kind: "projection" or "event_handler".
        state: "running" or "failing" in this process, "standby" when this process would run it but others do, "stopped"
            when this process does not run it, "inline" when commands apply it themselves.
        position: its checkpoint; `START` when it never ran.
        behind: how many events of the log it has not passed; a stopped subscription may be advanced by another process.
        parked: how many events it has parked, until somebody retries or discards them.
        retrying: how many events it holds until the next try of one that failed, that one included.
        error: what it fails with, in words; empty when it does not.
    """

    name: str
    kind: str
    state: SubscriptionState
    position: Position
    lag: int
    parked: int = 0
    retrying: int = 0
    error: str = ""


async def set_aside(parked: ParkedEventReader, subscription: str, checkpoint: Checkpoint) -> tuple[int, int]:
    """Return how many events a subscription has parked, and how many it holds until a next try."""
    if not checkpoint.parked:
        return 0, 0
    counts, held = await parked.keys(subscription), await parked.retries(subscription)
    retrying = sum(count for key, count in counts.items() if key in held)
    return sum(counts.values()) - retrying, retrying


async def nothing_set_aside(attempt: str, parked: ParkedEventReader, subscription: str, key: str) -> LookupError:
    """Return the error for a key of which nothing is set aside; it names keys of which something is."""
    keys = sorted(await parked.keys(subscription))
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return LookupError(
        f"cannot {attempt} {key!r} of {subscription!r}: nothing of that key is held or parked. Keys with something set "
        f"aside: {', '.join(map(repr, keys[:_NAMED])) or 'none'}{more}."
    )
