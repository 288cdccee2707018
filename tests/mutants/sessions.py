"""Stores on which a session misses what it wrote, or waits for what it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from twofold.ports import Checkpoint, ParkedEvent, Position

from .broken import Around, BrokenStore, appending, break_part, break_store
from .event_log import ChangesIdentity, Miscounts, SharesIdentity, logging
from .mutant import Mutant
from .subscription_store import writing
from .subscriptions import CountsNothing


class AheadOfItself(Around):
    """Says that every subscription has passed the whole log."""

    async def checkpoint(self, subscription: str) -> Checkpoint:
        return Checkpoint(await self.inner.log.head(), await self.inner.log.identity())


class OneForAll(Around):
    """Takes the checkpoint of one projection for that of all."""

    async def checkpoint(self, subscription: str) -> Any:
        return await self.inner.checkpoint("balances")


class FindsNothingParked(Around):
    """Finds no parked events."""

    async def read_parked(self, subscription: str, *, key: str | None = None) -> Sequence[ParkedEvent]:
        return ()


class HoldsNothing(Around):
    """Finds every event parked that is held."""

    async def read_parked(self, subscription: str, *, key: str | None = None) -> Sequence[ParkedEvent]:
        return [each._replace(again=None) for each in await self.inner.read_parked(subscription, key=key)]


class HoldsAll(Around):
    """Finds every event held that is parked."""

    async def read_parked(self, subscription: str, *, key: str | None = None) -> Sequence[ParkedEvent]:
        found = await self.inner.read_parked(subscription, key=key)
        return [each._replace(again=each.again or each.time) for each in found]


class TellsTooLittle(Around):
    """Tells of each event that it appended a position before the right one."""

    async def append(self, stream: str, events: Any, *, expected: Any) -> Any:
        stored = await self.inner.append(stream, events, expected=expected)
        return [event._replace(position=Position(event.position - 1)) for event in stored]


class WritesLate(Around):
    """Writes rows with the next step, behind their checkpoint."""

    def __init__(self, inner: Any, late: list[Any]) -> None:
        super().__init__(inner)
        self._late = late

    async def write(self, changes: Sequence[Any]) -> None:
        if self._late:
            await self.inner.write(self._late.pop(0))
        self._late.append(changes)


class ReadsOnce(Around):
    """Remembers each row that it was asked for."""

    def __init__(self, inner: Any, remembered: dict[object, Any]) -> None:
        super().__init__(inner)
        self._remembered = remembered

    async def get_many(self, keys: Any) -> Any:
        for key in keys:
            if key not in self._remembered:
                self._remembered[key] = (await self.inner.get_many([key])).get(key)
        return {key: self._remembered[key] for key in keys if self._remembered[key] is not None}


class ReadsFrom(Around):
    """A reading transaction whose rows are remembered."""

    def __init__(self, inner: Any, remembered: dict[object, Any]) -> None:
        super().__init__(inner)
        self._remembered = remembered

    def rows(self, view: Any) -> Any:
        return ReadsOnce(self.inner.rows(view), self._remembered)


def writes_late() -> Any:
    """Return what breaks the rows of every transaction of one store."""
    late: list[Any] = []
    return lambda rows: WritesLate(rows, late)


def reads_once(store: Any) -> Any:
    """Break the transactions in which queries are answered."""
    remembered: dict[object, Any] = {}

    def wrap(transaction: Any, _: Any, read_only: bool) -> Any:
        return ReadsFrom(transaction, remembered) if read_only else transaction

    return BrokenStore(store, wrap)


SESSIONS: Sequence[Mutant] = (
    Mutant("rows come after their checkpoint", "test_a_session_reads_its_own_writes", break_part("rows", writes_late)),
    Mutant("rows are remembered", "test_a_session_reads_its_own_writes", reads_once),
    Mutant("rows come late, under load", "test_random_interleavings", break_part("rows", writes_late)),
    Mutant("the identity changes", "test_a_token_works_from_another_application", logging(ChangesIdentity)),
    Mutant("logs share an identity", "test_a_token_is_checked", logging(SharesIdentity)),
    Mutant("checkpoints are ahead", "test_a_frozen_projection_is_reported_in_time", break_store(AheadOfItself)),
    Mutant("positions are too low", "test_a_frozen_projection_is_reported_in_time", appending(TellsTooLittle)),
    Mutant("one too many are behind", "test_a_frozen_projection_is_reported_in_time", logging(Miscounts)),
    Mutant("at most one is behind", "test_a_frozen_projection_is_reported_in_time", logging(CountsNothing)),
    Mutant("projections share a checkpoint", "test_a_query_of_two_projections_waits_for_both", break_store(OneForAll)),
    Mutant(
        "a checkpoint ahead ends the wait for one of two",
        "test_a_query_of_two_projections_waits_for_both",
        break_store(AheadOfItself),
    ),
    Mutant(
        "parked events are not found",
        "test_a_session_is_told_at_once_that_its_event_is_parked",
        break_store(FindsNothingParked),
    ),
    Mutant("held events are not found", "test_a_session_waits_for_a_held_event", break_store(FindsNothingParked)),
    Mutant("held events look parked", "test_a_session_waits_for_a_held_event", break_store(HoldsNothing)),
    Mutant("parked events look held", "test_a_session_is_told_when_the_tries_are_used_up", break_store(HoldsAll)),
    Mutant(
        "the number of parked events is forgotten",
        "test_a_session_is_told_at_once_that_its_event_is_parked",
        writing(lambda checkpoint: replace(checkpoint, parked=0)),
    ),
)
