"""Event-sourced aggregates, with snapshots."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from .._definitions.aggregate import Aggregate, stream_of
from .._definitions.message import Event
from .._encoding.state_json import StateCodec
from .._encoding.wire_types import EventTypes
from ..errors import ConfigurationError, NotStorable, StorageError
from ..ports.event_log import Expected, ExpectedVersion
from ..ports.snapshots import Snapshot
from ..ports.transactions import WriteTransaction
from .tracked import AggregateRemoved, Tracked, attributes_of
from .unrecorded import check_recorded


class EventSourced:
    """Keeps an aggregate as its events, and replays its stream each time it is loaded.

    An aggregate with `snapshot_every=n` starts from its snapshot and replays only the events after it. A snapshot is
    written together with the events that cross a multiple of `n`. A snapshot with another `snapshot_version` is ignored,
    and so is one that cannot be decoded.

    Args:
        aggregate_type: the type.
        event_types: decodes events.
    """

    def __init__(self, aggregate_type: type[Aggregate], event_types: EventTypes) -> None:
        self._event_types = event_types
        self._every = aggregate_type.snapshot_every
        self._codec = StateCodec.of(aggregate_type) if self._every else None
        self._snapshot_version = aggregate_type.snapshot_version

    async def load(self, transaction: WriteTransaction, aggregate_type: type[Aggregate], id: str) -> Tracked | None:
        stream, decode = stream_of(aggregate_type, id), self._event_types.decode
        aggregate, version = await self._from_snapshot(transaction, stream)
        last: Event | None = None
        async for stored in transaction.log.read(stream, after=version):
            last = decode(stored.name, stored.schema, stored.data)
            if aggregate is None:
                aggregate = aggregate_type.replay()
            aggregate._apply(last)
            version = stored.version
        if aggregate is None or isinstance(last, AggregateRemoved):
            return None
        return Tracked(aggregate, id, version, loaded=_copied(aggregate))

    async def save(
        self, transaction: WriteTransaction, tracked: Tracked, events: Sequence[Event]
    ) -> ExpectedVersion | None:
        for event in events:
            if not tracked.aggregate._applies(event):
                raise ConfigurationError(
                    f"cannot append {type(event).__name__} to {tracked.stream}: {type(tracked.aggregate).__name__} is event "
                    f"sourced and has no method for this event. Mark a method with @on({type(event).__name__}); the "
                    "method may be empty."
                )
        if not tracked.version and not events:
            raise ConfigurationError(
                f"cannot add {tracked.stream}: it is event sourced and recorded no event. "
                f"Create it with {type(tracked.aggregate).__name__}.begin(event)."
            )
        if not tracked.removed:
            check_recorded(tracked, events)
        await self._keep_snapshot(transaction, tracked, tracked.version + len(events))
        if not tracked.version:
            return Expected.NO_STREAM
        return tracked.version if tracked.verify or tracked.removed or events else None

    async def _from_snapshot(self, transaction: WriteTransaction, stream: str) -> tuple[Aggregate | None, int]:
        if self._codec is None:
            return None, 0
        found = await transaction.snapshots.get(stream)
        if found is None or found.snapshot_version != self._snapshot_version:
            return None, 0
        try:
            return self._codec.decode(found.data), found.version
        except StorageError:
            return None, 0

    async def _keep_snapshot(self, transaction: WriteTransaction, tracked: Tracked, version: int) -> None:
        if self._codec is None or tracked.removed or version // self._every == tracked.version // self._every:
            return
        try:
            state = self._codec.encode(tracked.aggregate)
        except NotStorable as error:  # the events are the state: without a snapshot they are read again
            warnings.warn(f"no snapshot of {tracked.stream} is stored: {error}", stacklevel=2)
            return
        await transaction.snapshots.put(tracked.stream, Snapshot(version, self._snapshot_version, state))


def _copied(aggregate: Aggregate) -> dict[str, Any] | None:
    """Return copies of the attributes of an aggregate, or None if they cannot be copied."""
    try:
        return attributes_of(aggregate)
    except Exception:  # noqa: BLE001 -- an attribute decides how it is copied, such as a lock
        return None
