"""The error of a subscription whose checkpoint is at an event that the log has lost."""

from __future__ import annotations

from .._consistency.waiting import repair
from .._definitions.position import Position
from ..errors import EventsLost
from ..ports.checkpoints import Checkpoint
from .subscription import Subscription


def lost_by(subscription: Subscription, checkpoint: Checkpoint, head: int) -> EventsLost:
    """Return the error of a subscription.

    Args:
        subscription: the subscription.
        checkpoint: its checkpoint.
        head: the last position of the log.
    """
    name = subscription.name
    advice = repair(name) if subscription.kind == "projection" else _advice(subscription)
    return EventsLost(
        f"the {subscription.kind.replace('_', ' ')} {name!r}",
        position=checkpoint.position,
        event=checkpoint.event,
        head=Position(head),
        advice=advice,
    )


def _advice(subscription: Subscription) -> str:
    if subscription.kind == "cache":
        return "Call app.operations.realign(), which drops the answers that may contain lost events."
    return f"Call app.operations.replay({subscription.name!r}, after=...) with the last position whose event was processed."
