"""The store."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import anyio

from twofold import Aggregate, StateCodec, View
from twofold.errors import InvalidDefinition
from twofold.ports import Checkpoint, ParkedEvent, Position

from ._log import InMemoryEventLog
from ._tables import CHECKPOINTS, PARKED, Tables
from ._transaction import InMemoryTransaction


class InMemory:
    """Keep events, aggregates, read models and checkpoints in this process's memory, on asyncio or trio.

        app = Application("orders", write=InMemory())

    A full adapter: transactional, with every value as JSON, so that no object is shared between the application and the
    store. Nothing outlives the process. Transactions that write take turns from their first write on.
    """

    def __init__(self) -> None:
        self._tables = Tables()
        self._log = InMemoryEventLog(self._tables)
        self._turn = anyio.Semaphore(1)
        self._positions = count(1)
        self._codecs: dict[type[Any], StateCodec[Any]] = {}

    @property
    def log(self) -> InMemoryEventLog:
        """The event log."""
        return self._log

    async def open(self, views: Sequence[type[View]]) -> None:
        """Do nothing: there are no tables to check."""

    async def create_schema(self, views: Sequence[type[View]]) -> None:
        """Do nothing: there are no tables to create."""

    async def close(self) -> None:
        """Do nothing: the data stays until this object goes."""

    def missing_state(self, aggregate_type: type[object]) -> str | None:
        """Return None when aggregates of this type can be kept, or what to do so that they can."""
        if not issubclass(aggregate_type, Aggregate):
            return f"{aggregate_type.__qualname__} is no Aggregate. Derive it from Aggregate."
        try:
            self._codec_of(aggregate_type)
        except InvalidDefinition as error:
            return str(error)
        return None

    async def begin(self, *, read_only: bool = False) -> InMemoryTransaction:
        """Begin a transaction."""
        return InMemoryTransaction(
            self._tables, self._turn, lambda: Position(next(self._positions)), self._codec_of, read_only=read_only
        )

    async def checkpoint(self, subscription: str) -> Checkpoint | None:
        """Return the committed checkpoint, or None when the subscription never ran here."""
        found: Checkpoint | None = self._tables.entries.get(CHECKPOINTS, {}).get(subscription)
        return found

    async def parked(self, subscription: str, *, key: str | None = None) -> Sequence[ParkedEvent]:
        """Return the parked events in the order in which they were parked, of one key or of all."""
        entries = self._tables.entries.get(PARKED, {}).items()
        parked = [event for (name, _), event in entries if name == subscription]
        return [event for event in parked if key is None or event.key == key]

    async def parked_keys(self, subscription: str) -> frozenset[str]:
        """Return the keys that have a parked event."""
        return frozenset(event.key for event in await self.parked(subscription))

    def _codec_of(self, aggregate_type: type[Any]) -> StateCodec[Any]:
        if aggregate_type not in self._codecs:
            self._codecs[aggregate_type] = StateCodec(aggregate_type)
        return self._codecs[aggregate_type]
