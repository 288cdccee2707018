"""The event log with its decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from .._definitions.position import Position
from .._encoding.wire_types import EventTypes
from .._writing.store_time import time_of
from ..ports.checkpoints import Checkpoint
from ..ports.clock import Clock
from ..ports.event_log import EventLog
from ..ports.stores import ReadStore, WriteStore


@dataclass(frozen=True, slots=True)
class DecodedLog:
    """The event log that the subscriptions of an application read.

    Attributes:
        store: the store of the log.
        identity: the identity of the log.
        event_types: decodes the events.
        clock: the application's clock.
    """

    store: WriteStore
    identity: str
    event_types: EventTypes
    clock: Clock

    @property
    def events(self) -> EventLog:
        """The log."""
        return self.store.log

    async def now(self, store: ReadStore) -> datetime:
        """Return the time by which retries in a store are due."""
        return await time_of(store, self.clock)

    async def at_head(self) -> Checkpoint:
        """Return a checkpoint at the last event."""
        return await self.at(await self.events.head())

    async def at(self, position: Position) -> Checkpoint:
        """Return a checkpoint at a position, with the event there."""
        return Checkpoint(position, self.identity, event=(await self.events.ids([position])).get(position))

    async def lost(self, checkpoints: Sequence[Checkpoint]) -> Sequence[Checkpoint]:
        """Return the checkpoints whose event is not in the log."""
        found = await self.events.ids([each.position for each in checkpoints if each.event is not None])
        return [each for each in checkpoints if each.event is not None and found.get(each.position) != each.event]
