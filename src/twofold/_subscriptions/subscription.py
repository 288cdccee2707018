"""Subscriptions: named readers of the event log, each with its own checkpoint."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias
from uuid import UUID

from .._definitions.message import Event
from .._definitions.retry import Retry, Start
from .._telemetry.recorder import Recorder
from ..ports.stores import ReadStore
from ..ports.transactions import ReadTransaction
from .processor import Processor
from .telemetry import UNRECORDED, SubscriptionTelemetry

EVERY_PARTITION: Final = 1_000_000
"""More than the number of partitions of any subscription."""


Forget: TypeAlias = Callable[[ReadTransaction, UUID], Awaitable[None]]
"""Deletes what the attempts at an event have stored in other transactions than that of the checkpoint."""


async def nothing_stored(transaction: ReadTransaction, event_id: UUID) -> None:
    """Do nothing: the attempts at an event have stored nothing outside of their transactions."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A projection, an event handler, a relay or the invalidation of cached answers.

    Attributes:
        name: the name of the subscription and of its checkpoint.
        kind: "projection", "event_handler", "process", "relay" or "cache".
        events: the wire names of the events; None for all events of the log.
        start: the start of a new subscription.
        partition_by: the event field with the ordering key; None for the stream.
        retry: how a failing event is retried.
        partitions: the number of partitions.
        store: the store of the checkpoint.
        processor: processes the events.
        contents: what the rows of a projection contain; see `contents`. Empty for others.
        telemetry: records what it does.
        forget: deletes what the attempts at an event have stored, in the transaction that skips or discards the event.
        key_of: returns the ordering key of an event, instead of `partition_by`; None if the event is not for it.
    """

    name: str
    kind: str
    events: frozenset[str] | None
    start: Start
    partition_by: str | None
    retry: Retry
    partitions: int
    store: ReadStore
    processor: Processor
    contents: str = ""
    telemetry: SubscriptionTelemetry = UNRECORDED
    forget: Forget = nothing_stored
    key_of: Callable[[Event], str | None] | None = None


def recorded_subscription(subscription: Subscription, recorder: Recorder) -> Subscription:
    """Return a subscription that records what it does."""
    return replace(subscription, telemetry=SubscriptionTelemetry(recorder, subscription.name, subscription.kind))
