"""The strategy by which one database appends to the event log, finds its readable end, and wakes up other processes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from sqlalchemy import Executable
from sqlalchemy.ext.asyncio import AsyncConnection

from twofold.ports import START, AppendCondition, BlockingTransaction, ExpectedVersion, NewEvent, StoredEvent

from .._connection.database import Database
from .._connection.open_transaction import OpenTransaction
from .._connection.statements import written

GENERATION: Final = written("SELECT inline_generation FROM twofold_meta WHERE number = 1", ())


class Appender(Protocol):
    """The way in which a database appends events."""

    async def append(
        self,
        transaction: OpenTransaction,
        stream: str,
        events: Sequence[NewEvent],
        expected: ExpectedVersion,
        inline: int | None,
    ) -> Sequence[StoredEvent] | int | None:
        """Append at least one event with its tags, if the inline projections have a generation, or `inline` is None.

        Returns:
            The stored events. If the stream's version is not the expected one: the version, or None if it is unknown. If the
            inline projections have another generation: None.

        Raises:
            UniqueViolation: a unique constraint of the log refused a row.
        """
        ...

    async def guard(
        self, transaction: OpenTransaction, conditions: Sequence[AppendCondition], tags: Collection[str]
    ) -> None:
        """Check conditions, and block the appends that would violate them; see `LogWriter.guard`."""
        ...

    async def lock(self, transaction: OpenTransaction) -> None:
        """Wait until no other transaction appends, and block new appends; see `LogWriter.lock`."""
        ...


class Head(NamedTuple):
    """The end of the log.

    Attributes:
        position: the position of an event, or `START`.
        event: the id of the event, as the driver returns it; None at `START`.
    """

    position: int
    event: Any


class Frontier(Protocol):
    """The end of the log up to which no event can still be committed."""

    async def head(self, connection: AsyncConnection) -> Head:
        """Return the end up to which every event is committed or will never be; see `EventLog.head`."""
        ...

    async def blocking_transactions(self) -> Sequence[BlockingTransaction]:
        """Describe the transactions that the frontier waits for; see `EventLog.blocking_transactions`."""
        ...


class Notifier(Protocol):
    """Notifications to other processes that events were appended."""

    async def announce(self, origin: str) -> None:
        """Notify the other processes; see `EventLog.announce`."""
        ...

    async def watch(self, notify: Callable[[str], None]) -> None:
        """Call `notify` at each notification; see `EventLog.watch`."""
        ...


class NoNotifier:
    """The `Notifier` of a database without notifications. Readers poll."""

    async def announce(self, origin: str) -> None:
        """Do nothing."""

    async def watch(self, notify: Callable[[str], None]) -> None:
        """Return immediately."""


class CommitOrder:
    """The `Frontier` of a database that commits positions in their order: the last committed position.

    Args:
        database: the database.
        last: returns the SELECT of the last committed position and the id of its event.
    """

    def __init__(self, database: Database, last: Callable[[], Executable]) -> None:
        self._connections = database.dialect.connections
        self._last = database.compiler.prepared("last", last)

    async def head(self, connection: AsyncConnection) -> Head:
        """Return the last position."""
        rows = await self._connections.fetch(connection, self._last.text, self._last.bind({}))
        return Head(*rows[0]) if rows else Head(START, None)

    async def blocking_transactions(self) -> Sequence[BlockingTransaction]:
        """Return none: a reader that sees a position sees every position before it."""
        return ()


class LogEnd:
    """The frontier that the readers and the transactions of a store share.

    Args:
        new: creates a frontier that knows nothing of the log yet.
    """

    def __init__(self, new: Callable[[], Frontier]) -> None:
        self._new = new
        self.frontier = new()

    def reset(self) -> None:
        """Forget what is known of the end of the log."""
        self.frontier = self._new()


@dataclass(frozen=True, slots=True)
class LogStrategy:
    """The three parts of a strategy.

    Attributes:
        appender: how events are appended.
        frontier: creates a frontier that knows nothing of the log yet.
        notifier: notifications to other processes.
    """

    appender: Appender
    frontier: Callable[[], Frontier]
    notifier: Notifier
