"""How the subscriptions of an application are doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from .ports.event_log import Position

SubscriptionState: TypeAlias = Literal["running", "standby", "failing", "stopped", "inline"]


@dataclass(frozen=True, slots=True)
class SubscriptionStatus:
    """One subscription, as it is now.

    Attributes:
        name: the name of its checkpoint.
        kind: "projection" or "reaction".
        state: "running" or "failing" in this process, "standby" when this process would run it but others do, "stopped"
            when this process does not run it, "inline" when commands apply it themselves.
        position: its checkpoint; `START` when it never ran.
        behind: how many events of the log it has not passed; a stopped subscription may be advanced by another process.
        parked: how many events it has parked.
        error: what it fails with, in words; empty when it does not.
    """

    name: str
    kind: str
    state: SubscriptionState
    position: Position
    behind: int
    parked: int
    error: str = ""
