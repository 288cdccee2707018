"""Stores whose transactions are broken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from twofold.errors import UnitOfWorkDoomed

from .broken import Around, appending, commits_anyway, of_store
from .event_log import CommitsEarly, Unchecked
from .mutant import Mutant


class LeavesSavepoints(Around):
    """Keeps what was done in a savepoint that failed."""

    def savepoint(self) -> Any:
        return _NoSavepoint()


class _NoSavepoint:
    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *exc_info: object) -> None:
        return None


class GoesOnAfterErrors(Around):
    """Pretends, after an error, that nothing happened."""

    async def append(self, stream: str, events: Any, *, expected: Any) -> Any:
        try:
            return await self.inner.append(stream, events, expected=expected)
        except UnitOfWorkDoomed:
            return ()

    async def commit(self) -> None:
        try:
            await self.inner.commit()
        except UnitOfWorkDoomed:
            await self.inner.rollback()


class HidesOwnEvents(Around):
    """Reads only what was committed before."""

    def __init__(self, inner: Any, store: Any, read_only: bool) -> None:
        super().__init__(inner)
        self._store = store

    def read(self, stream: str, *, after: int = 0) -> AsyncIterator[Any]:
        events: AsyncIterator[Any] = self._store.log.read(stream, after=after)
        return events


TRANSACTIONS: Sequence[Mutant] = (
    Mutant("rollback commits", "test_a_rollback_keeps_nothing", commits_anyway),
    Mutant("commits early", "test_a_commit_keeps_everything", of_store(CommitsEarly)),
    Mutant("half is kept", "test_a_failure_in_the_middle_keeps_nothing", of_store(CommitsEarly)),
    Mutant("goes on after an error", "test_a_broken_transaction_can_only_be_rolled_back", appending(GoesOnAfterErrors)),
    Mutant("savepoint not undone", "test_an_undone_savepoint", appending(LeavesSavepoints)),
    Mutant("own events hidden", "test_own_events_are_seen", of_store(HidesOwnEvents)),
    Mutant("conflict hidden", "test_a_failure_in_the_middle_keeps_nothing", appending(Unchecked)),
)
