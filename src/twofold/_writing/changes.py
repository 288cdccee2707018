"""The changes of a unit of work, gathered until it commits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from .._definitions.aggregate import Aggregate
from .._definitions.message import Event
from .._encoding.message_json import Cause
from ..errors import AfterCommitFailed, NotAdded, ReadOnlyUnitOfWork
from ..ports.event_log import StoredEvent
from ..ports.tags import AppendCondition
from ..ports.transactions import WriteTransaction
from .tracked import Tracked, attributes_of, restore

Callback: TypeAlias = Callable[[], Awaitable[None]]
"""Runs before or after the commit."""

Step: TypeAlias = Callable[[WriteTransaction, Sequence[StoredEvent]], Awaitable[None]]
"""Writes into the transaction of a unit of work after its events, which it is given."""


Recorded: TypeAlias = tuple[Aggregate | None, Event, Cause]
"""An aggregate, an event that it recorded, and the message that was handled. None: the handler recorded the event."""


@dataclass(slots=True)
class Changes:
    """The changes of a unit of work, gathered until it commits.

    Attributes:
        tracked: the aggregates that were loaded or added, by type and id.
        missing: the streams of aggregates that a handler looked for, and that did not exist.
        touched: the aggregates that recorded events while this unit of work was open, and the events with their causes.
        recorded: streams, and the events that handlers recorded for them; None for the stream of the message.
        last_steps: run after the events were written, inside the transaction.
        conditions: the conditions of the boundaries that were read. They outlive a savepoint that is undone.
        before: callbacks that run before the commit.
        after: callbacks that run after the commit.
    """

    touched: list[Recorded] = field(default_factory=list)
    tracked: dict[tuple[type[Aggregate], str], Tracked] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    recorded: list[tuple[str | None, Event]] = field(default_factory=list)
    last_steps: list[Step] = field(default_factory=list)
    conditions: list[AppendCondition] = field(default_factory=list)
    before: list[Callback] = field(default_factory=list)
    after: list[Callback] = field(default_factory=list)

    def mark(self) -> Callable[[], None]:
        """Return a function that undoes the changes since this call.

        Aggregates that are tracked now get their attributes back. Aggregates that are tracked later are dropped.
        """
        known = [(key, each, each.removed, attributes_of(each.aggregate)) for key, each in self.tracked.items()]
        recorded, last_steps = len(self.recorded), len(self.last_steps)
        before, after, touched = len(self.before), len(self.after), len(self.touched)

        def undo() -> None:
            self.tracked = {key: tracked for key, tracked, _, _ in known}
            for _, tracked, removed, attributes in known:
                tracked.removed = removed
                restore(tracked.aggregate, attributes)
            del self.recorded[recorded:], self.last_steps[last_steps:], self.before[before:], self.after[after:]
            del self.touched[touched:]

        return undo

    @property
    def extent(self) -> tuple[int, ...]:
        """Numbers that differ after a handler has changed something."""
        tracked = self.tracked.values()
        return (
            len(self.recorded),
            len(self.last_steps),
            sum(len(each.aggregate.recorded) for each in tracked),
            sum(each.removed or not each.version for each in tracked),
        )

    def untrack(self, aggregate: Aggregate) -> None:
        """Drop an aggregate that was added and is removed again."""
        self.touched[:] = [each for each in self.touched if each[0] is not aggregate]

    def check_nothing_recorded(self, query: object) -> None:
        """Check that no aggregate recorded an event, which a read-only unit of work would lose.

        Args:
            query: the query that is answered.

        Raises:
            ReadOnlyUnitOfWork: an aggregate recorded an event.
        """
        for tracked in self.tracked.values():
            if recorded := tracked.aggregate.recorded:
                names = ", ".join(type(event).__name__ for event in recorded)
                raise ReadOnlyUnitOfWork(
                    f"cannot answer {type(query).__name__}: its handler recorded {names} on {tracked.stream}, and a query "
                    "changes nothing. Make it a command."
                )

    async def run_after_commit(self, close: Callback | None = None) -> None:
        """Run the callbacks that wait for the commit.

        Args:
            close: closes the resources of the handler; runs first.

        Raises:
            AfterCommitFailed: at least one failed; all were run.
        """
        failures: list[Exception] = []
        for callback in self.after if close is None else [close, *self.after]:
            try:
                await callback()
            except Exception as failure:  # noqa: BLE001 -- raised together below
                failures.append(failure)
        if failures:
            raise AfterCommitFailed(
                f"the command is committed, but {len(failures)} call(s) after the commit "
                "failed (callbacks, or the end of resources). Do not repeat the command; repeat what the calls do."
            ) from ExceptionGroup("after_commit", failures)


def not_added(aggregate: Aggregate) -> NotAdded:
    """Return the error for an aggregate whose recorded events would be lost."""
    kind, events = type(aggregate).__name__, ", ".join(type(each).__name__ for each in aggregate.recorded)
    return NotAdded(
        f"{kind} {getattr(aggregate, 'id', '')} recorded {events}, and was neither added to its repository nor "
        "loaded from it, so its events would be lost. Nothing was written. To add it, take a parameter "
        f"`repository: Repository[{kind}]`, and write `await repository.add(...)`."
    )
