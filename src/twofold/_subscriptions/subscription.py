"""Subscriptions: named readers of the event log, each with its own checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from .._definitions.retry import Retry, Start
from ..ports.stores import ReadStore
from .processor import Processor


@dataclass(frozen=True, slots=True)
class Subscription:
    """A projection, an event handler, a relay or the invalidation of cached answers.

    Attributes:
        name: the name of the subscription and of its checkpoint.
        kind: "projection", "event_handler", "relay" or "cache".
        events: the wire names of the events.
        start: the start of a new subscription.
        partition_by: the event field with the ordering key; None for the stream.
        retry: how a failing event is retried.
        partitions: the number of partitions.
        store: the store of the checkpoint.
        processor: processes the events.
    """

    name: str
    kind: str
    events: frozenset[str]
    start: Start
    partition_by: str | None
    retry: Retry
    partitions: int
    store: ReadStore
    processor: Processor
