"""The two places where data is stored: the write store and the read store. One adapter object may be both."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from .._definitions.view import View
from .event_log import EventLog
from .parked import ParkedEventReader
from .processes import ProcessReader
from .retention import Retention
from .schedule import ScheduleReader
from .step_results import StepReader
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
        """The committed events of subscriptions with a pending retry, and their parked events."""
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

    async def run(self) -> str:
        """Return what identifies the current run of the store's server, as far as this process knows.

        A result that differs from an earlier one means that the store may have lost its last commits in between: the server
        was restarted, another server took over, or a file was replaced. What a process remembers of a store, such as
        checkpoints, is valid for one run. A process knows of the run when a call uses a new connection. So a call that
        reads older data than before is followed by another result. Most calls do not ask the server.

        Raises:
            TransientFailure: the store did not answer; asking again may help.
        """
        ...

    async def now(self) -> datetime:
        """Return the time of the store's clock, in UTC and accurate to a millisecond.

        All processes that share the store get the time of one clock. It decides when a scheduled command is due, when a
        parked event is retried, and when a lease ends, so the clocks of the processes do not matter.

        Raises:
            TransientFailure: the store did not answer; asking again may help.
        """
        ...

    async def close(self) -> None:
        """Release what the store created itself. Objects that the user passed in stay open."""
        ...

    async def disconnect(self) -> None:
        """Close the connections, also those of a pool that the user passed in. No transaction is open.

        The store connects again when it is used. `Application.sync` calls this when it stops: its caller has no event loop
        to close a pool in, and a process that forks must not have open connections.
        """
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

    @property
    def steps(self) -> StepReader:
        """The committed outcomes of durable steps."""
        ...

    @property
    def processes(self) -> ProcessReader:
        """The committed processes."""
        ...

    def missing_state(self, aggregate_type: type[object]) -> str | None:
        """Return None when `WriteTransaction.state` can serve this type; otherwise what the user has to do first."""
        ...

    async def begin(self, *, read_only: bool = False) -> WriteTransaction:
        """Begin a transaction, as `ReadStore.begin` does."""
        ...
