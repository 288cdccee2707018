"""What a unit of work writes when it commits: state first, then events, then what belongs to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from .._definitions.aggregate import Aggregate
from .._definitions.envelope import Envelope
from .._definitions.message import Event
from .._encoding.message_json import json_of
from .._encoding.metadata import encode_metadata
from ..errors import (
    AggregateExists,
    CommitFailed,
    ConcurrencyConflict,
    ConfigurationError,
    EventNotRecordable,
    TwofoldError,
)
from ..ports.clock import Clock, Ids
from ..ports.event_log import Expected, ExpectedVersion, NewEvent, StoredEvent
from ..ports.stores import WriteStore
from ..ports.transactions import WriteTransaction
from .storage import Storage, Tracked, removal

Inline: TypeAlias = Callable[[WriteTransaction, Sequence[tuple[StoredEvent, Event]]], Awaitable[None]]
"""Applies an inline projection to the events of a unit, inside its transaction."""

Append: TypeAlias = tuple[str, Sequence[Event], ExpectedVersion]
"""A stream, the events that go to its end, and what it must be now."""


@dataclass(frozen=True, slots=True)
class WriteSide:
    """What every unit of work of an application has in common."""

    store: WriteStore
    storages: Mapping[type[Aggregate], Storage]
    inline: list[Inline]
    clock: Clock
    ids: Ids

    async def save(self, transaction: WriteTransaction, aggregates: Iterable[Tracked]) -> list[Append]:
        """Save the state of aggregates; return what is to be appended for them."""
        appends: list[Append] = []
        for tracked in aggregates:
            expected = await self.storages[type(tracked.aggregate)].save(transaction, tracked)
            events = [*tracked.aggregate.recorded, *([removal(tracked)] if tracked.removed else ())]
            if events or expected not in (None, Expected.ANY, Expected.NO_STREAM):
                appends.append((tracked.stream, events, expected if expected is not None else Expected.ANY))
        return appends

    async def append(
        self, transaction: WriteTransaction, appends: Iterable[Append], cause: Envelope
    ) -> Sequence[StoredEvent]:
        """Append events, and apply the inline projections to them.

        Raises:
            ConcurrencyConflict: a stream is not as expected.
            AggregateExists: the stream of a new aggregate exists.
            EventNotRecordable: a field of an event has no JSON, or is a secret.
        """
        metadata, now = encode_metadata(cause), self.clock.now()
        stored: list[tuple[StoredEvent, Event]] = []
        for stream, events, expected in appends:
            encoded = [self._encoded(event, metadata, now) for event in events]
            try:
                entries = await transaction.log.append(stream, encoded, expected=expected)
            except ConcurrencyConflict as conflict:
                if expected is not Expected.NO_STREAM:
                    raise
                raise AggregateExists(
                    f"cannot add {stream}: its stream has {conflict.actual} event(s) already. "
                    "Choose another id, or load the aggregate and change it."
                ) from conflict
            stored.extend(zip(entries, events, strict=True))
        if stored:
            for apply in self.inline:
                await apply(transaction, stored)
        return [entry for entry, _ in stored]

    def _encoded(self, event: Event, metadata: str, now: datetime) -> NewEvent:
        data = json_of(event, "record", EventNotRecordable)
        return NewEvent(self.ids.new(), event_name(event), event.message_version, data, metadata, now)


async def commit(transaction: WriteTransaction) -> None:
    """Commit, and say of an error that the adapter does not know that the outcome is unknown.

    Raises:
        CommitFailed: the store did not confirm.
        TwofoldError: the store refused.
    """
    try:
        await transaction.commit()
    except TwofoldError:
        raise
    except Exception as error:
        raise CommitFailed(
            f"the store did not confirm the commit ({type(error).__name__}: {error}). The outcome is unknown: read back "
            "what the command should have changed before you repeat it."
        ) from error


def event_name(event: Event) -> str:
    """Return the stable name of an event.

    Raises:
        ConfigurationError: it has none.
    """
    if event.message_name is None:
        raise ConfigurationError(
            f"cannot record {type(event).__qualname__}: it has no stable name. "
            f"Give it one: class {type(event).__name__}(Event, name='orders.order_placed')."
        )
    return event.message_name
