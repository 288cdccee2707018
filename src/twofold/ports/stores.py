"""The two places where data is stored: the write store and the read store. One adapter object may be both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .._definitions.view import View
from .event_log import EventLog
from .parked import ParkedEventReader
from .retention import Retention
from .schedule import ScheduleReader
from .subscription_store import SubscriptionStore
from .transactions import ReadTransaction, WriteTransaction


class ReadStore(Protocol):
    """Stores read models, with the checkpoints of the projections that fill them."""

    @property
    def subscriptions(self) -> SubscriptionStore:
        """The subscriptions, their checkpoints and leases."""
        ...

    @property
    def parked(self) -> ParkedEventReader:
        """The committed held and parked events of subscriptions."""
        ...

    async def open(self, views: Sequence[type[View]]) -> None:
        """Check that the store can serve these views. The application calls it at each start.

        Raises:
            SchemaMissing: a table is missing or differs; the text names it.
        """
        ...

    async def create_schema(self, views: Sequence[type[View]]) -> None:
        """Create the missing tables for these views and for Twofold itself; existing tables do not change."""
        ...

    async def create_shadows(self, views: Sequence[type[View]]) -> None:
        """Create the missing tables for the shadow rows of these views, which a rebuild fills."""
        ...

    async def close(self) -> None:
        """Release what the store created itself. Objects that the user passed in stay open."""
        ...

    async def begin(self, *, read_only: bool = False) -> ReadTransaction:
        """Begin a transaction.

        Args:
            read_only: read one state of the store throughout, and refuse every write with `ReadOnlyUnitOfWork`, in the
                database itself where it can. A store that cannot keep a state for a reader shows one in each single read.

        Raises:
            TransientFailure: the store is busy or unreachable; nothing was begun.
        """
        ...


class WriteStore(ReadStore, Protocol):
    """Stores the write side: the event log and the state of aggregates. It can serve as a read store too."""

    @property
    def log(self) -> EventLog:
        """The event log."""
        ...

    @property
    def keys(self) -> Retention:
        """The committed idempotency keys."""
        ...

    @property
    def inbox(self) -> Retention:
        """The committed records of received messages."""
        ...

    @property
    def schedule(self) -> ScheduleReader:
        """The committed schedule."""
        ...

    def missing_state(self, aggregate_type: type[object]) -> str | None:
        """Return None when `WriteTransaction.state` can serve this type; otherwise what the user has to do first."""
        ...

    async def begin(self, *, read_only: bool = False) -> WriteTransaction:
        """Begin a transaction, as `ReadStore.begin` does."""
        ...
