"""Subscriptions: named readers of the log, each with a checkpoint of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from .._definitions.message import Event
from .._definitions.position import Position
from .._definitions.retry import Retry, Start
from .._writing.transactions import writing
from ..ports.event_log import StoredEvent
from ..ports.stores import ReadStore
from ..ports.transactions import ReadTransaction


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a runner needs to know of a projection, an event handler or a relay.

    Attributes:
        name: the name of its checkpoint.
        kind: "projection", "event_handler" or "relay", for people.
        events: the wire names of the events it takes.
        start: where it begins the first time.
        partition_by: the event field whose values are handled in order; None for the stream.
        retry: how often an event is tried.
        partitions: into how many parts it is divided, by ordering key.
        store: where its checkpoint lives.
        effect: what it does.
    """

    name: str
    kind: str
    events: frozenset[str]
    start: Start
    partition_by: str | None
    retry: Retry
    partitions: int
    store: ReadStore
    effect: Effect


class Effect(Protocol):
    """What a subscription does with events, in one step with its checkpoint."""

    async def apply(
        self, items: Sequence[tuple[StoredEvent, Event]], finish: Finish, *, at: Position | None = None
    ) -> None:
        """Apply some or all of these events, from the first on, and commit together with the checkpoint.

        Args:
            items: decoded events in log order; there may be none, then only the checkpoint is written.
            finish: writes the checkpoint into the transaction, given the number of events that this step applies.
            at: the position as of which rows are written; each event's own when None.

        Raises:
            ItemFailed: an event's handler raised; nothing of this step is committed.
        """
        ...


Finish = Callable[[ReadTransaction, int], Awaitable[None]]
"""Writes the checkpoint behind the first so many items into a transaction."""


class ItemFailed(Exception):
    """The handler of an event raised.

    Attributes:
        index: which of the items, from 0.
        error: what it raised.
    """

    def __init__(self, index: int, error: Exception) -> None:
        super().__init__(index, error)
        self.index = index
        self.error = error


async def finish_only(store: ReadStore, finish: Finish, done: int) -> None:
    """Write the checkpoint behind the first so many items, in a transaction that holds nothing else."""
    async with writing(store) as transaction:
        await finish(transaction, done)
