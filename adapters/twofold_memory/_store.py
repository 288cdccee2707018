"""The store."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from twofold import Aggregate, Clock, StateCodec, View
from twofold.errors import InvalidDefinition

from ._log import InMemoryEventLog
from ._parked import InMemoryParkedReader
from ._processes import InMemoryProcessReader
from ._records import InMemoryRetention
from ._schedule import InMemoryScheduleReader
from ._steps import InMemoryStepReader
from ._subscriptions import InMemorySubscriptions
from ._tables import INBOX, KEYS, Tables
from ._transaction import InMemoryTransaction


class InMemory:
    """Keep events, aggregates, read models and checkpoints in this process's memory, on asyncio or trio.

        app = Application("orders", write=InMemory())

    A full adapter: transactional, with every value as JSON, so that no object is shared between the application and the
    store. Nothing outlives the process. Transactions that write take turns from their first write on.

    Args:
        clock: the time of the store and of its leases, for tests; by default the machine's.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock
        self._tables = tables = Tables()
        self.log = InMemoryEventLog(tables)
        self.subscriptions = InMemorySubscriptions(
            tables, time.monotonic if clock is None else lambda: clock.now().timestamp()
        )
        self.parked = InMemoryParkedReader(tables)
        self.schedule = InMemoryScheduleReader(tables)
        self.steps = InMemoryStepReader(tables)
        self.processes = InMemoryProcessReader(tables)
        self.keys = InMemoryRetention(tables, KEYS, lambda record: record.time)
        self.inbox = InMemoryRetention(tables, INBOX, lambda time: time)

    async def open(self, views: Sequence[type[View]]) -> None:
        """Do nothing: there are no tables to check."""

    async def create_schema(self, views: Sequence[type[View]]) -> None:
        """Do nothing: there are no tables to create."""

    async def create_shadows(self, views: Sequence[type[View]]) -> None:
        """Do nothing: there are no tables to create."""

    async def run(self) -> str:
        """Return the same for as long as this object lives."""
        return self._tables.run

    async def now(self) -> datetime:
        """Return the time of the clock."""
        return datetime.now(UTC) if self._clock is None else self._clock.now()

    async def close(self) -> None:
        """Do nothing: the data lives as long as this object."""

    async def disconnect(self) -> None:
        """Do nothing: there are no connections."""

    def missing_state(self, aggregate_type: type[object]) -> str | None:
        """Return None if aggregates of this type can be stored, otherwise the steps that make it possible."""
        if not issubclass(aggregate_type, Aggregate):
            return f"{aggregate_type.__qualname__} is not an Aggregate. Derive it from Aggregate."
        try:
            StateCodec.of(aggregate_type)
        except InvalidDefinition as error:
            return str(error)
        return None

    async def begin(self, *, read_only: bool = False) -> InMemoryTransaction:
        """Begin a transaction."""
        return InMemoryTransaction(self._tables, read_only=read_only)
