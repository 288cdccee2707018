"""The changes of a unit of work, gathered until it commits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from .._definitions.aggregate import Aggregate
from .._definitions.message import Event
from ..errors import AfterCommitFailed, ReadOnlyUnitOfWork
from ..ports.event_log import StoredEvent
from ..ports.transactions import WriteTransaction
from .tracked import Tracked, attributes_of, restore

Callback: TypeAlias = Callable[[], Awaitable[None]]
"""Runs before or after the commit."""

Step: TypeAlias = Callable[[WriteTransaction, Sequence[StoredEvent]], Awaitable[None]]
"""Writes into the transaction of a unit of work after its events, which it is given."""


@dataclass(slots=True)
class Changes:
    """The changes of a unit of work, gathered until it commits.

    Attributes:
        tracked: the aggregates that were loaded or added, by type and id.
        recorded: streams, and the events that handlers recorded for them.
        last_steps: run after the events were written, inside the transaction.
        before: callbacks that run before the commit.
        after: callbacks that run after the commit.
    """

    tracked: dict[tuple[type[Aggregate], str], Tracked] = field(default_factory=dict)
    recorded: list[tuple[str, Event]] = field(default_factory=list)
    last_steps: list[Step] = field(default_factory=list)
    before: list[Callback] = field(default_factory=list)
    after: list[Callback] = field(default_factory=list)

    def mark(self) -> Callable[[], None]:
        """Return a function that undoes the changes since this call.

        Aggregates that are tracked now get their attributes back; those that are tracked later are forgotten.
        """
        known = [(key, each, each.removed, attributes_of(each.aggregate)) for key, each in self.tracked.items()]
        recorded, last_steps = len(self.recorded), len(self.last_steps)
        before, after = len(self.before), len(self.after)

        def undo() -> None:
            self.tracked = {key: tracked for key, tracked, _, _ in known}
            for _, tracked, removed, attributes in known:
                tracked.removed = removed
                restore(tracked.aggregate, attributes)
            del self.recorded[recorded:], self.last_steps[last_steps:], self.before[before:], self.after[after:]

        return undo

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

    async def run_after_commit(self) -> None:
        """Run the callbacks that wait for the commit.

        Raises:
            AfterCommitFailed: at least one failed; all were run.
        """
        failures: list[Exception] = []
        for callback in self.after:
            try:
                await callback()
            except Exception as failure:  # noqa: BLE001 -- raised together below
                failures.append(failure)
        if failures:
            raise AfterCommitFailed(
                f"the command is committed, but {len(failures)} of {len(self.after)} callback(s) after the commit "
                "failed. Do not repeat the command; repeat what the callbacks do."
            ) from ExceptionGroup("after_commit", failures)
