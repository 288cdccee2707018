"""Stores that keep checkpoints and parked events wrongly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from twofold.errors import CheckpointMoved
from twofold.ports import Checkpoint, Lease, ParkedEvent

from .broken import (
    Around,
    Break,
    BrokenStore,
    WritesQuietly,
    break_part,
    break_store,
    break_transaction,
    commits_anyway,
)
from .mutant import Mutant
from .unguarded import unguarded


class AdvancesQuietly(Around):
    """Says nothing when the checkpoint had moved."""

    async def advance(
        self, subscription: str, *, expected: Checkpoint | None, to: Checkpoint, lease: Lease | None = None
    ) -> None:
        with suppress(CheckpointMoved):
            await self.inner.advance(subscription, expected=expected, to=to, lease=lease)

    async def commit(self) -> None:
        with suppress(CheckpointMoved):
            await self.inner.commit()


class AdvancesOther(Around):
    """Writes another checkpoint."""

    def __init__(self, inner: Any, change: Callable[[Checkpoint], Checkpoint]) -> None:
        super().__init__(inner)
        self._change = change

    async def advance(
        self, subscription: str, *, expected: Checkpoint | None, to: Checkpoint, lease: Lease | None = None
    ) -> None:
        expected = None if expected is None else self._change(expected)
        await self.inner.advance(subscription, expected=expected, to=self._change(to), lease=lease)


class AdvancesApart(Around):
    """Writes checkpoints in a transaction of their own, whatever becomes of the rows."""

    def __init__(self, inner: Any, store: Any, read_only: bool) -> None:
        super().__init__(inner)
        self._store = store
        self._apart: list[tuple[str, Checkpoint | None, Checkpoint]] = []

    async def advance(
        self, subscription: str, *, expected: Checkpoint | None, to: Checkpoint, lease: Lease | None = None
    ) -> None:
        self._apart.append((subscription, expected, to))

    async def rollback(self) -> None:
        await self.inner.rollback()
        other = await self._store.begin()
        try:
            while self._apart:
                subscription, expected, to = self._apart.pop(0)
                await other.checkpoints.advance(subscription, expected=expected, to=to)
            await other.commit()
        finally:
            await other.rollback()


class WritesNoRows(Around):
    """Forgets the rows."""

    async def write(self, changes: Sequence[Any]) -> None:
        return None


class BrokenParking(BrokenStore):
    """A store that knows of every event that was parked, committed or not, in order.

    Args:
        inner: the store.
        answer: what is found: the right answer, and all that anybody parked, each with its subscription.
    """

    def __init__(
        self,
        inner: Any,
        answer: Callable[[list[ParkedEvent], list[tuple[str, ParkedEvent]]], list[ParkedEvent]],
    ) -> None:
        super().__init__(inner, lambda transaction, *_: NotesParked(transaction, self.noted))
        self.noted: list[tuple[str, ParkedEvent]] = []
        self._answer = answer

    async def read_parked(self, subscription: str, *, key: str | None = None) -> Sequence[ParkedEvent]:
        found = list(await self.inner.read_parked(subscription, key=key))
        noted = [(name, event) for name, event in self.noted if key is None or event.key == key]
        return self._answer(found, noted)


class NotesParked(Around):
    """Notes what is parked."""

    def __init__(self, inner: Any, noted: list[tuple[str, ParkedEvent]]) -> None:
        super().__init__(inner)
        self._noted = noted

    async def park(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        self._noted += [(subscription, event) for event in events]
        await self.inner.park(subscription, events)


class IgnoresKey(Around):
    """Finds the events of all keys."""

    async def read_parked(self, subscription: str, *, key: str | None = None) -> Any:
        return await self.inner.read_parked(subscription)


class NoKeys(Around):
    """Knows of no keys."""

    async def parked_keys(self, subscription: str) -> Mapping[str, int]:
        return {}


class CountsKeysOnce(Around):
    """Counts one event of each key."""

    async def parked_keys(self, subscription: str) -> Mapping[str, int]:
        return dict.fromkeys(await self.inner.parked_keys(subscription), 1)


class FoldsNames(Around):
    """Takes subscriptions that differ in upper and lower case for the same."""

    async def advance(self, subscription: str, **checkpoints: Any) -> None:
        await self.inner.advance(subscription.lower(), **checkpoints)


class ParksOnce(Around):
    """Parks an event for one subscription only."""

    def __init__(self, inner: Any, seen: dict[object, str]) -> None:
        super().__init__(inner)
        self._seen = seen

    async def park(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        mine = [each for each in events if self._seen.setdefault(each.event.id, subscription) == subscription]
        await self.inner.park(subscription, mine)


def writing(change: Callable[[Checkpoint], Checkpoint]) -> Break:
    """Break what is written of a checkpoint."""
    return break_transaction(lambda transaction, *_: AdvancesOther(transaction, change))


def parking(answer: Callable[[list[ParkedEvent], list[tuple[str, ParkedEvent]]], list[ParkedEvent]]) -> Break:
    """Break what is found of the parked events."""

    def broken(store: Any) -> Any:
        return BrokenParking(store, answer)

    return broken


def finding(change: Callable[[ParkedEvent], ParkedEvent]) -> Break:
    """Break each parked event that is found."""
    return parking(lambda found, _: [change(event) for event in found])


def parks_once(store: Any) -> Any:
    """Park an event for one subscription only."""
    seen: dict[object, str] = {}
    return BrokenStore(store, lambda transaction, *_: ParksOnce(transaction, seen))


def _last_of_each(found: list[ParkedEvent], noted: list[tuple[str, ParkedEvent]]) -> list[ParkedEvent]:
    last = {event.event.id: event for _, event in noted}
    return [last.get(event.event.id, event) for event in found]


def _twice(found: list[ParkedEvent], noted: list[tuple[str, ParkedEvent]]) -> list[ParkedEvent]:
    return [event for _, event in noted] if found else []


def _without_data(event: ParkedEvent) -> ParkedEvent:
    return event._replace(event=event.event._replace(metadata="{}"))


MUTANTS: Sequence[Mutant] = (
    Mutant("advance compares nothing", "test_a_wrong_expectation_is_refused", unguarded(lambda *_: True)),
    Mutant("two workers both win", "test_one_of_two_workers_wins", unguarded(lambda *_: True)),
    Mutant("two first workers both win", "test_one_of_two_first_workers_wins", unguarded(lambda *_: True)),
    Mutant(
        "a first worker overwrites",
        "test_a_wrong_expectation_is_refused",
        unguarded(lambda expected, stands: expected is None),
    ),
    Mutant(
        "advance compares positions only",
        "test_a_wrong_expectation_is_refused",
        unguarded(lambda expected, stands: bool(expected and stands and expected.position == stands.position)),
    ),
    Mutant(
        "a refused advance is no error",
        "test_a_wrong_expectation_is_refused",
        break_transaction(lambda transaction, *_: AdvancesQuietly(transaction)),
    ),
    Mutant(
        "a losing worker is not told",
        "test_one_of_two_workers_wins",
        break_transaction(lambda transaction, *_: AdvancesQuietly(transaction)),
    ),
    Mutant(
        "a checkpoint forgets its log",
        "test_a_checkpoint_survives",
        writing(lambda checkpoint: replace(checkpoint, log="log")),
    ),
    Mutant(
        "a checkpoint forgets its number of parked events",
        "test_a_checkpoint_survives",
        writing(lambda checkpoint: replace(checkpoint, parked=0)),
    ),
    Mutant(
        "checkpoints are written although rolled back",
        "test_a_rollback_undoes_everything",
        break_transaction(AdvancesApart),
    ),
    Mutant("a rollback commits", "test_a_rollback_undoes_everything", commits_anyway),
    Mutant(
        "a checkpoint is written without its rows",
        "test_checkpoint_and_rows_commit_together",
        break_part("rows", lambda: WritesNoRows),
    ),
    Mutant(
        "parked events are seen before the commit",
        "test_checkpoint_and_rows_commit_together",
        parking(lambda found, noted: [event for _, event in noted]),
    ),
    Mutant(
        "parked events come in reverse", "test_parked_events_keep_their_order", parking(lambda found, _: found[::-1])
    ),
    Mutant(
        "parked events come in the log's order",
        "test_parked_events_keep_their_order",
        parking(lambda found, _: sorted(found, key=lambda event: event.event.position)),
    ),
    Mutant("a key finds all parked events", "test_parked_events_keep_their_order", break_store(IgnoresKey)),
    Mutant("parked keys are unknown", "test_parked_keys", break_store(NoKeys)),
    Mutant("one event of each key is counted", "test_parked_keys", break_store(CountsKeysOnce)),
    Mutant("parking twice stores twice", "test_parking_twice_keeps_the_first", parking(_twice)),
    Mutant("parking twice keeps the last", "test_parking_twice_keeps_the_first", parking(_last_of_each)),
    Mutant(
        "parked events of other subscriptions leak",
        "test_subscriptions_do_not_mix",
        parking(lambda found, noted: [event for _, event in noted]),
    ),
    Mutant("an event is parked for one subscription only", "test_subscriptions_do_not_mix", parks_once),
    Mutant(
        "subscriptions ignore upper and lower case",
        "test_subscriptions_do_not_mix",
        break_transaction(lambda transaction, *_: FoldsNames(transaction)),
    ),
    Mutant(
        "reasons are cut short",
        "test_parked_events_survive_whole",
        finding(lambda event: event._replace(reason=event.reason[:255])),
    ),
    Mutant(
        "attempts are forgotten", "test_parked_events_survive_whole", finding(lambda event: event._replace(attempts=0))
    ),
    Mutant(
        "the next try is forgotten",
        "test_parked_events_survive_whole",
        finding(lambda event: event._replace(again=None)),
    ),
    Mutant("parked events lose their metadata", "test_parked_events_survive_whole", finding(_without_data)),
    Mutant(
        "a reader's writes are lost quietly",
        "test_a_reader_cannot_write",
        break_transaction(lambda transaction, *_: WritesQuietly(transaction)),
    ),
)
