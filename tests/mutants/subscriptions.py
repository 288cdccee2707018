"""Stores on which subscriptions lose events, repeat them, or mix them up."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from twofold.ports import START, Checkpoint, LogPage, ParkedEvent, Position, StoredEvent

from .broken import Around, BrokenStore, appending, break_part, break_store, commits_anyway, of_store
from .event_log import (
    ChangesIdentity,
    CommitsEarly,
    JumpsAhead,
    Log,
    Miscounts,
    Shuffled,
    SkipsAnEvent,
    StandsStill,
    logging,
)
from .mutant import Mutant
from .rows import RefusesAsBroken, RefusesQuietly
from .subscription_store import NoKeys, WritesNoRows, finding, writing
from .unguarded import unguarded


class MovesApart(Around):
    """Moves checkpoints in a transaction of their own behind this one, whatever became of it."""

    def __init__(self, inner: Any, store: Any, read_only: bool) -> None:
        super().__init__(inner)
        self._store = store
        self._moves: list[tuple[str, dict[str, Any]]] = []

    async def advance(self, subscription: str, **move: Any) -> None:
        self._moves.append((subscription, move))

    async def commit(self) -> None:
        await self.inner.commit()
        await self._move()

    async def rollback(self) -> None:
        await self.inner.rollback()
        await self._move()

    async def _move(self) -> None:
        moves, self._moves = self._moves, []
        for subscription, move in moves:
            other = await self._store.begin()
            try:
                await other.checkpoints.advance(subscription, **move)
                await other.commit()
            finally:
                await other.rollback()


class ForgetsCheckpoints(BrokenStore):
    """A store that has lost its checkpoints each time it is opened, and nothing else."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner, lambda transaction, *_: NotesSubscriptions(transaction, self._moved))
        self._moved: set[str] = set()

    async def open(self, views: Sequence[Any]) -> None:
        await self.inner.open(views)
        for subscription in sorted(self._moved):
            stands = await self.inner.checkpoint(subscription)
            transaction = await self.inner.begin()
            try:
                await transaction.checkpoints.advance(subscription, expected=stands, to=replace(stands, position=START))
                await transaction.commit()
            finally:
                await transaction.rollback()


class NotesSubscriptions(Around):
    """Notes whose checkpoints are moved."""

    def __init__(self, inner: Any, moved: set[str]) -> None:
        super().__init__(inner)
        self._moved = moved

    async def advance(self, subscription: str, **move: Any) -> None:
        self._moved.add(subscription)
        await self.inner.advance(subscription, **move)


class TakesAnyLog(Around):
    """Says of every checkpoint that it belongs to its log."""

    async def partitions(self, subscription: str) -> Any:
        found = await self.inner.partitions(subscription)
        return [each._replace(checkpoint=await self._own(each.checkpoint)) for each in found]

    async def checkpoint(self, subscription: str) -> Checkpoint | None:
        found = await self.inner.checkpoint(subscription)
        return found and await self._own(found)

    async def _own(self, checkpoint: Checkpoint) -> Checkpoint:
        return replace(checkpoint, log=await self.inner.log.identity())


class ParksNothing(Around):
    """Loses parked events."""

    async def park(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        return None


class ParksPlainly(Around):
    """Cannot write a reason that is not ASCII."""

    async def park(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        await self.inner.park(subscription, [each for each in events if each.reason.encode("ascii")])


class ParksTheFirst(Around):
    """Loses what is parked behind the event that failed."""

    async def park(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        await self.inner.park(subscription, [each for each in events if each.attempts])


class DeliversTwice(Log):
    """Gives the last event of a page again at the head of the next one."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._last: dict[Position, StoredEvent] = {}

    async def read_all(self, **options: Any) -> LogPage:
        page: LogPage = await self.inner.read_all(**options)
        again = self._last.get(options["after"])
        if page.events:
            self._last[page.last] = page.events[-1]
        return LogPage((again, *page.events), page.last) if again and page.events else page


class BeginsTooEarly(Log):
    """Begins a page with events before the position that it is asked to follow."""

    async def read_all(self, *, after: Position = START, **options: Any) -> LogPage:
        page: LogPage = await self.inner.read_all(after=Position(max(START, after - 2)), **options)
        return page if page.last > after else LogPage((), after)


class BeginsAtTheBeginning(Around):
    """Forgets where a subscription should begin."""

    async def divide(self, subscription: str, checkpoints: Sequence[Checkpoint], **how: Any) -> None:
        await self.inner.divide(subscription, [replace(each, position=START) for each in checkpoints], **how)


class StopsAtUnwanted(Log):
    """Reads a page, then leaves out what does not match; where nothing is left it does not say how far it looked."""

    async def read_all(
        self, *, after: Position = START, limit: int = 500, names: Collection[str] | None = None
    ) -> LogPage:
        page: LogPage = await self.inner.read_all(after=after, limit=limit)
        matching = tuple(event for event in page.events if names is None or event.name in names)
        full = len(page.events) == limit
        return LogPage(matching, after if full and not matching else page.last)


class CountsNothing(Log):
    """Finds that nobody is behind."""

    async def count(self, **_: Any) -> int:
        return 0


class HeadTooLow(Log):
    """Takes the last event but one for the last."""

    async def head(self) -> Position:
        events = (await self.inner.read_all(limit=1000)).events
        return events[-2].position if len(events) > 1 else START


class HeadTooHigh(Log):
    """Names a position that no event has."""

    async def head(self) -> Position:
        return Position(await self.inner.head() + 1)


SUBSCRIPTIONS: Sequence[Mutant] = (
    Mutant("events come in reverse", "test_history_then_live_in_order", logging(Shuffled)),
    Mutant("an event comes twice", "test_history_then_live_in_order", logging(DeliversTwice)),
    Mutant("an event is skipped", "test_a_history_of_several_pages", logging(SkipsAnEvent)),
    Mutant("a page says that it went to the head", "test_a_history_of_several_pages", logging(JumpsAhead)),
    Mutant("a page begins too early", "test_a_page_that_crosses_the_end_of_a_replay", logging(BeginsTooEarly)),
    Mutant(
        "a subscription begins at the beginning",
        "test_a_page_that_crosses_the_end_of_a_replay",
        appending(BeginsAtTheBeginning),
    ),
    Mutant("a page without a match is the last", "test_pages_without_a_match_are_passed", logging(StopsAtUnwanted)),
    Mutant("filtered events are never passed", "test_filtered_events_move_the_checkpoint", logging(StandsStill)),
    Mutant("the head is too high", "test_filtered_events_move_the_checkpoint", logging(HeadTooHigh)),
    Mutant("the head is too low", "test_an_event_handler_begins_where_it_was_told", logging(HeadTooLow)),
    Mutant("one too many are behind", "test_the_status_tells_how_far_behind", logging(Miscounts)),
    Mutant("nobody is behind", "test_the_status_tells_how_far_behind", logging(CountsNothing)),
    Mutant("the identity changes", "test_a_restart_goes_on", logging(ChangesIdentity)),
    Mutant("checkpoints are lost", "test_a_restart_goes_on", break_store(ForgetsCheckpoints)),
    Mutant(
        "checkpoints of other logs count", "test_a_checkpoint_of_another_log_is_recognised", break_store(TakesAnyLog)
    ),
    Mutant(
        "a checkpoint moves though its rows do not",
        "test_a_crash_around_the_checkpoint_applies_each_event_once",
        of_store(MovesApart),
    ),
    Mutant(
        "rows are kept though their checkpoint is not",
        "test_a_crash_around_the_checkpoint_applies_each_event_once",
        commits_anyway,
    ),
    Mutant(
        "an event handler's checkpoint moves though its events do not",
        "test_an_event_handler_commits_its_commands_with_its_checkpoint",
        of_store(MovesApart),
    ),
    Mutant(
        "an event handler's events are kept though its checkpoint is not",
        "test_an_event_handler_commits_its_commands_with_its_checkpoint",
        of_store(CommitsEarly),
    ),
    Mutant(
        "checkpoints move from anywhere",
        "test_a_step_behind_a_moved_checkpoint_is_refused",
        unguarded(lambda *_: True),
    ),
    Mutant("parked events are lost", "test_a_poison_event_parks_its_key_and_others_flow", appending(ParksNothing)),
    Mutant(
        "what follows a parked event is lost",
        "test_a_poison_event_parks_its_key_and_others_flow",
        appending(ParksTheFirst),
    ),
    Mutant(
        "attempts are forgotten",
        "test_a_poison_event_parks_its_key_and_others_flow",
        finding(lambda event: event._replace(attempts=0)),
    ),
    Mutant(
        "the number of parked events is forgotten",
        "test_a_poison_event_parks_its_key_and_others_flow",
        writing(lambda checkpoint: replace(checkpoint, parked=0)),
    ),
    Mutant(
        "a row that cannot be kept is lost quietly",
        "test_a_row_that_cannot_be_kept_parks_its_event",
        break_part("rows", lambda: RefusesQuietly),
    ),
    Mutant(
        "a row that cannot be kept looks like a store that failed",
        "test_a_row_that_another_event_writes_parks_its_own",
        break_part("rows", lambda: RefusesAsBroken),
    ),
    Mutant("a reason is not written", "test_a_failure_is_parked_whatever_its_words", appending(ParksPlainly)),
    Mutant("parked keys are forgotten", "test_a_parked_key_stays_parked", break_store(NoKeys)),
    Mutant("an undecodable event is lost", "test_an_undecodable_event_is_parked", appending(ParksNothing)),
    Mutant(
        "inline rows are lost",
        "test_an_inline_projection_is_committed_with_the_command",
        break_part("rows", lambda: WritesNoRows),
    ),
    Mutant(
        "events are kept though an inline projection failed",
        "test_an_inline_projection_is_committed_with_the_command",
        of_store(CommitsEarly),
    ),
)
