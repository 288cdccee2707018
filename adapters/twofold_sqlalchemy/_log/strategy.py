"""The strategy by which one database appends to the event log, finds its readable end, and wakes up other processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from twofold.ports import ExpectedVersion, NewEvent, Position, StoredEvent

from .._connection.open_transaction import OpenTransaction


class Appender(Protocol):
    """How events are appended."""

    async def append(
        self, transaction: OpenTransaction, stream: str, events: Sequence[NewEvent], expected: ExpectedVersion
    ) -> Sequence[StoredEvent] | int | None:
        """Append at least one event.

        Returns:
            The stored events. If the stream's version is not the expected one: the version, or None if it is unknown.

        Raises:
            UniqueViolation: a unique constraint of the log refused a row.
        """
        ...


class Frontier(Protocol):
    """The end of the log up to which no event can still be committed."""

    async def head(self) -> Position:
        """Return the position up to which every event is committed or will never be; see `EventLog.head`."""
        ...

    async def holding_back(self) -> Sequence[str]:
        """Describe the transactions that the frontier waits for; see `EventLog.holding_back`."""
        ...


class Notifier(Protocol):
    """Notifications to other processes that events were appended."""

    async def announce(self) -> None:
        """Notify the other processes; see `EventLog.announce`."""
        ...

    async def watch(self, heard: Callable[[], None]) -> None:
        """Call `heard` at each notification; see `EventLog.watch`."""
        ...


class NoNotifier:
    """The `Notifier` of a database without notifications. Readers poll."""

    async def announce(self) -> None:
        """Do nothing."""

    async def watch(self, heard: Callable[[], None]) -> None:
        """Return at once."""


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
