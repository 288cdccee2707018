"""Inline projections, as the transactions that append events apply them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ..ports.event_log import StoredEvent
from ..ports.transactions import WriteTransaction

Apply: TypeAlias = Callable[[WriteTransaction, Sequence[StoredEvent]], Awaitable[None]]
"""Applies a projection to appended events, inside their transaction. Events that it does not take are skipped."""


@dataclass(frozen=True, slots=True)
class Inline:
    """An inline projection.

    Attributes:
        name: the name of the projection.
        views: its views with their fields, and its events, as the store records them.
        events: the wire names of the events that it applies; None for all events.
        apply: applies it.
    """

    name: str
    views: str
    events: frozenset[str] | None
    apply: Apply


@dataclass(slots=True)
class InlineProjections:
    """The inline projections of an application.

    Attributes:
        projections: the projections.
        generation: the generation of the records of the event log with which they were compared when the application
            started. The log takes no events from this application once it has another one.
    """

    projections: list[Inline] = field(default_factory=list)
    generation: int | None = None

    async def hold(self, transaction: WriteTransaction, events: Collection[str]) -> Sequence[Inline]:
        """Lock the inline projections of some events, before the events are appended.

        The transactions that append these events then run one after another. Each of them reads the rows that the one before
        has written, and rows change in the order of the log.

        Args:
            transaction: the transaction that will append.
            events: the wire names of the events.

        Returns:
            The projections to apply after the append.
        """
        concerned = [each for each in self.projections if each.events is None or not each.events.isdisjoint(events)]
        if concerned:
            await transaction.inline.hold([each.name for each in concerned])
        return concerned
