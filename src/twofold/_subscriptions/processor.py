"""Processors: they handle the events of a subscription, in one transaction with the checkpoint."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from .._background.failures import is_of_store
from .._definitions.message import Event
from .._definitions.position import Position
from .._telemetry.recorder import Wrapper
from .._writing.transactions import writing
from ..ports.event_log import StoredEvent
from ..ports.stores import ReadStore
from ..ports.transactions import ReadTransaction

Advance = Callable[[ReadTransaction, int], Awaitable[None]]
"""Writes the checkpoint after the first `count` events of a batch into a transaction."""


class Processor(Protocol):
    """Processes batches of events for a subscription."""

    async def apply(
        self,
        events: Sequence[tuple[StoredEvent, Event]],
        advance: Advance,
        *,
        at: Position | None = None,
        attempt: int = 1,
    ) -> None:
        """Process the first events of a batch, or all of them, and commit the effects together with the checkpoint.

        Args:
            events: decoded events in log order. If there are none, only the checkpoint is written.
            advance: writes the checkpoint into the transaction, given the number of processed events.
            at: the position of the rows that are written; by default the position of each event.
            attempt: the number of this attempt, from 1. Only a batch of one event is retried.

        Raises:
            EventFailed: the handler of an event failed. Nothing is committed.
        """
        ...


class EventFailed(Wrapper):
    """The handler of an event in a batch failed.

    Attributes:
        index: the index of the event in the batch.
        error: the exception of the handler.
    """

    def __init__(self, index: int, error: Exception) -> None:
        super().__init__(index, error)
        self.index = index
        self.error = error


def failure_of(index: int, error: Exception) -> Exception:
    """Return the exception to raise for an event. Failures of the store do not depend on the event and never park it."""
    return error if is_of_store(error) else EventFailed(index, error)


async def advance_only(store: ReadStore, advance: Advance, count: int) -> None:
    """Write the checkpoint after the first `count` events, in a transaction without other effects."""
    async with writing(store) as transaction:
        await advance(transaction, count)
