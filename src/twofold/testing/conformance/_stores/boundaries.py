"""Selections of events by names and tags, and conditions on later events, as stores keep them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import count

import anyio
import pytest

from twofold.errors import BoundaryConflict
from twofold.ports import (
    START,
    AppendCondition,
    Criterion,
    Expected,
    NewEvent,
    Position,
    StoredEvent,
    TagEntry,
    WriteStore,
    WriteTransaction,
)

from .._tools.capabilities import Capabilities
from .._tools.in_time import in_time
from .._tools.opened import NewStore, failed_savepoint, undone, writing
from .event_log import event

_streams = count(1)


def tagged(*tags: str, name: str = "suite.happened") -> NewEvent:
    """Return a new event with tags."""
    return event(name=name)._replace(tags=tags)


def having(*tags: str, names: Collection[str] | None = None) -> Criterion:
    """Return a criterion."""
    return Criterion(None if names is None else frozenset(names), tags)


async def add(transaction: WriteTransaction, *events: NewEvent) -> Sequence[StoredEvent]:
    """Append events to a new stream."""
    return await transaction.log.append(f"s-{next(_streams)}", events, expected=Expected.ANY)


async def appended(store: WriteStore, *events: NewEvent) -> Sequence[StoredEvent]:
    """Append events to a new stream in a separate transaction."""
    async with writing(store) as transaction:
        return await add(transaction, *events)


async def condition_of(transaction: WriteTransaction, *criteria: Criterion) -> AppendCondition:
    """Read the events that some criteria select, and return the condition that no other is added."""
    since = START if all(each.tags for each in criteria) else await transaction.log.settled()
    found = await transaction.log.matching(criteria, limit=10_000)
    after = [each for each in found if each.position > since]
    return AppendCondition(criteria, found[-1].position if after else since, len(after), since)


async def read_condition(store: WriteStore, *criteria: Criterion) -> AppendCondition:
    """Read as `condition_of` does, in a separate transaction."""
    async with undone(store) as transaction:
        return await condition_of(transaction, *criteria)


async def is_violated(store: WriteStore, condition: AppendCondition) -> bool:
    """Check a condition in a separate transaction."""
    try:
        async with undone(store) as transaction:
            await transaction.log.guard([condition], ())
    except BoundaryConflict:
        return True
    return False


async def selected(
    store: WriteStore, *criteria: Criterion, after: Position = START, upto: Position | None = None, limit: int = 500
) -> Sequence[StoredEvent]:
    """Return the committed events that some criteria select."""
    async with undone(store) as transaction:
        return await transaction.log.matching(criteria, after=after, upto=upto, limit=limit)


TEXTS = ("a:x", "A:x", "a:X", "a:x ", " a:x", "a:ä", "a:a\u0308", "a:🚲", "a:x'\"%_\\", "a:" + "ä" * 300)
"""Tags that differ, although some databases take texts like these for equal."""


class Selecting:
    """The cases of `BoundarySuite` about the events that criteria select."""

    async def test_events_are_selected_by_names_and_tags(self, new_store: NewStore) -> None:
        """All of the tags of one criterion must fit, and one of several criteria. Each event is returned once, in order."""
        async with new_store([]) as store:
            a, ab, b, other, plain = await appended(
                store, tagged("x:a"), tagged("x:a", "y:b"), tagged("y:b"), tagged("x:a", name="suite.other"), event()
            )
            happened = ["suite.happened"]
            cases: tuple[tuple[list[Criterion], list[StoredEvent]], ...] = (
                ([having("x:a")], [a, ab, other]),
                ([having("x:a", names=happened)], [a, ab]),
                ([having("x:a", "y:b")], [ab]),
                ([having("y:b", "x:a", names=["suite.other"])], []),
                ([having("y:b"), having("x:a")], [a, ab, b, other]),
                ([having("y:b", names=happened), having("x:a", names=["suite.other"])], [ab, b, other]),
                ([having(names=happened)], [a, ab, b, plain]),
                ([having(names=["suite.other"]), having("y:b")], [ab, b, other]),
                ([having()], [a, ab, b, other, plain]),
                ([having("x:never")], []),
                ([having(names=["suite.never"])], []),
            )
            for criteria, expected in cases:
                assert list(await selected(store, *criteria)) == expected, criteria

    async def test_events_are_selected_between_positions(self, new_store: NewStore) -> None:
        """A selection begins after a position, ends at one, and has at most a number of events."""
        async with new_store([]) as store:
            stored = await appended(store, *(tagged("x:a", "y:b") for _ in range(6)))
            positions = [each.position for each in stored]
            for criteria in ([having("x:a")], [having("x:a"), having("y:b")], [having()]):
                found = await selected(store, *criteria, after=positions[1], upto=positions[4])
                assert list(found) == list(stored[2:5])
                assert list(await selected(store, *criteria, after=positions[1], limit=2)) == list(stored[2:4])
                assert list(await selected(store, *criteria, after=positions[5])) == []

    async def test_a_thousand_events_are_selected(self, new_store: NewStore) -> None:
        """A boundary of 1,000 events is read in batches of any size, and checked."""
        async with new_store([]) as store:
            for _ in range(4):
                await appended(store, *(tagged("x:a") for _ in range(250)))
                await appended(store, *(tagged("x:b") for _ in range(10)))
            for size in (7, 250, 1_000, 5_000):
                found, after = list[StoredEvent](), START
                while page := await selected(store, having("x:a"), after=after, limit=size):
                    found += page
                    after = page[-1].position
                assert len(found) == 1_000
                assert [each.position for each in found] == sorted({each.position for each in found})
            condition = await read_condition(store, having("x:a"))
            assert not await is_violated(store, condition)
            await appended(store, tagged("x:a"))
            assert await is_violated(store, condition)

    async def test_tags_are_equal_only_character_by_character(self, new_store: NewStore) -> None:
        """Upper and lower case, accents, spaces and the form of Unicode are distinguished on every store."""
        async with new_store([]) as store:
            stored = await appended(store, *map(tagged, TEXTS))
            for text, one in zip(TEXTS, stored, strict=True):
                assert list(await selected(store, having(text))) == [one], text

    async def test_a_transaction_selects_its_own_events(self, new_store: NewStore) -> None:
        """The events of the transaction itself are selected. A rollback, also to a savepoint, leaves no tags."""
        async with new_store([]) as store:
            async with undone(store) as transaction:
                (own,) = await add(transaction, tagged("x:a"))
                assert await transaction.log.settled() < own.position
                async with failed_savepoint(transaction):
                    await add(transaction, tagged("x:a"))
                    assert len(await transaction.log.matching([having("x:a")])) == 2
                assert list(await transaction.log.matching([having("x:a")])) == [own]
            assert await selected(store, having("x:a")) == []
            (later,) = await appended(store, tagged("x:b"))
            assert await selected(store, having("x:a")) == []
            assert list(await selected(store, having("x:b"))) == [later]

    async def test_many_tags_in_one_append(self, new_store: NewStore) -> None:
        """An append of events with hundreds of different tags stores all of them."""
        async with new_store([]) as store:
            stored = await appended(store, *(tagged(f"x:{number}", f"y:{number % 7}") for number in range(300)))
            assert list(await selected(store, having("x:299"))) == [stored[299]]
            assert list(await selected(store, having("y:3", "x:10"))) == [stored[10]]

    async def test_records_of_tags(self, new_store: NewStore) -> None:
        """Tags can be added to stored events, each once, and a record says how far."""
        async with new_store([]) as store:
            first, second = await appended(store, event(), tagged("x:a"))
            async with writing(store) as transaction:
                assert await transaction.tags.progress("suite.happened") == {}
                entries = [TagEntry(each.position, each.name, "x:a") for each in (first, second, first)]
                await transaction.tags.add(entries)
                await transaction.tags.record("suite.happened", "x", first.position)
                await transaction.tags.record("suite.happened", "y", None)
                assert await transaction.tags.progress("suite.happened") == {"x": first.position, "y": None}
            async with writing(store) as transaction:
                assert list(await transaction.log.matching([having("x:a")])) == [first, second]
                await transaction.tags.record("suite.happened", "x", None)
                await transaction.tags.remove("suite.happened", ["y"])
            async with undone(store) as transaction:
                assert await transaction.tags.progress("suite.happened") == {"x": None}
                assert await transaction.tags.progress("suite.other") == {}


class Checking:
    """The cases of `BoundarySuite` about conditions."""

    async def test_a_later_event_that_matches_violates_a_condition(self, new_store: NewStore) -> None:
        """One that matches a criterion violates the condition, also of a name that did not exist. Others do not."""
        happened = ["suite.happened"]
        cases = (
            ([having("x:a")], tagged("x:a", name="suite.new"), tagged("x:b")),
            ([having("x:a", names=happened)], tagged("z:z", "x:a"), tagged("x:a", name="suite.new")),
            ([having("x:a", "y:b")], tagged("y:b", "x:a"), tagged("x:a")),
            ([having("x:a", "y:b")], tagged("y:b", "x:a"), tagged("y:b")),
            ([having("x:a"), having("y:b")], tagged("y:b"), tagged("y:a")),
            ([having(names=happened)], event(), event(name="suite.new")),
            ([having()], event(name="suite.new"), None),
            ([having("x:a"), having(names=["suite.new"])], event(name="suite.new"), tagged("x:b")),
        )
        async with new_store([]) as store:
            for criteria, matching, other in (*cases, *cases):
                condition = await read_condition(store, *criteria)
                assert not await is_violated(store, condition)
                if other is not None:
                    await appended(store, other._replace(id=event().id))
                    assert not await is_violated(store, condition), criteria
                await appended(store, matching._replace(id=event().id))
                assert await is_violated(store, condition), criteria

    async def test_an_event_that_commits_late_violates_a_condition(
        self, new_store: NewStore, capabilities: Capabilities
    ) -> None:
        """An event at a lower position than those that were read is seen when it commits after they were read."""
        for criterion in (having("x:a"), having(names=["suite.happened"])):
            async with new_store([]) as store:
                await appended(store, tagged("x:a"))
                if not capabilities.several_writers:
                    condition = await read_condition(store, criterion)
                    await appended(store, tagged("x:a"))
                    assert await is_violated(store, condition)
                    continue
                async with writing(store) as late:
                    (lower,) = await add(late, tagged("x:a"))
                    (higher,) = await appended(store, tagged("x:a"))
                    condition = await read_condition(store, criterion)
                    assert lower.position < higher.position == condition.last
                assert await is_violated(store, condition)

    async def test_the_check_waits_for_an_open_append(self, new_store: NewStore, capabilities: Capabilities) -> None:
        """A decider waits for a transaction that has appended a matching event, and sees the event."""
        for criterion in (having("x:a"), having(names=["suite.happened"])):
            async with new_store([]) as store:
                condition, outcomes = await read_condition(store, criterion), list[bool]()

                async def check(store: WriteStore = store, condition: AppendCondition = condition) -> None:
                    outcomes.append(await is_violated(store, condition))  # noqa: B023 -- the task ends in this round

                async with anyio.create_task_group() as tasks:
                    async with writing(store) as appending:
                        await add(appending, tagged("x:a"))
                        if capabilities.several_writers:
                            tasks.start_soon(check)
                            await anyio.wait_all_tasks_blocked()
                            assert outcomes == []
                    if not capabilities.several_writers:
                        await check()
                assert outcomes == [True]

    async def test_an_append_waits_for_a_decider(self, new_store: NewStore, capabilities: Capabilities) -> None:
        """From the check until its end, no other transaction appends an event that matches the condition of a decider."""
        for criterion in (having("x:a"), having(names=["suite.happened"])):
            async with new_store([]) as store:
                order = list[str]()

                async def append(store: WriteStore = store) -> None:
                    await appended(store, tagged("z:z", "x:a"))
                    order.append("append")  # noqa: B023 -- the task ends in this round

                condition = await read_condition(store, criterion)
                async with anyio.create_task_group() as tasks:
                    async with writing(store) as deciding:
                        await deciding.log.guard([condition], ["x:a"])
                        if capabilities.several_writers:
                            tasks.start_soon(append)
                            await anyio.wait_all_tasks_blocked()
                        await add(deciding, tagged("x:a"))
                        order.append("decision")
                    if not capabilities.several_writers:
                        await append()
                assert order == ["decision", "append"]
                assert len(await selected(store, having("x:a"))) == 2

    async def test_deciders_without_overlap_run_at_the_same_time(
        self, new_store: NewStore, capabilities: Capabilities
    ) -> None:
        """Two deciders whose criteria do not overlap are between check and commit at the same time."""
        async with new_store([]) as store:
            first = await read_condition(store, having("x:a", "y:a"))
            second = await read_condition(store, having("x:b", "y:a"))
            if not capabilities.several_writers:
                for condition, tag in ((first, "x:a"), (second, "x:b")):
                    async with writing(store) as transaction:
                        await transaction.log.guard([condition], [tag, "y:a"])
                        await add(transaction, tagged(tag, "y:a"))
            else:
                async with writing(store) as one, writing(store) as other:
                    with in_time():
                        await one.log.guard([first], ["x:a", "y:a"])
                        await other.log.guard([second], ["x:b", "y:a"])
                        await add(one, tagged("x:a", "y:a"))
                        await add(other, tagged("x:b", "y:a"))
                        await appended(store, tagged("x:c", "y:a"), event())
            assert len(await selected(store, having("x:a"), having("x:b"))) == 2

    async def test_one_of_several_overlapping_deciders_wins(self, new_store: NewStore) -> None:
        """Of deciders that have read one boundary, exactly one appends. The others conflict."""
        async with new_store([]) as store:
            ready, outcomes = anyio.Event(), list[str]()
            conditions = [await read_condition(store, having(f"y:{number}"), having("x:a")) for number in range(6)]

            async def decide(condition: AppendCondition) -> None:
                await ready.wait()
                try:
                    async with writing(store) as transaction:
                        await transaction.log.guard([condition], ["x:a", "y:9"])
                        await add(transaction, tagged("y:9", "x:a"))
                except BoundaryConflict:
                    outcomes.append("conflict")
                else:
                    outcomes.append("won")

            async with anyio.create_task_group() as tasks:
                for condition in conditions:
                    tasks.start_soon(decide, condition)
                ready.set()
            assert sorted(outcomes) == ["conflict"] * 5 + ["won"]
            assert len(await selected(store, having("x:a"))) == 1

    async def test_a_rolled_back_append_violates_nothing(self, new_store: NewStore) -> None:
        """An event that is rolled back does not match."""
        async with new_store([]) as store:
            condition = await read_condition(store, having("x:a"))
            async with undone(store) as transaction:
                await add(transaction, tagged("x:a"))
            assert not await is_violated(store, condition)

    async def test_a_conflict_in_a_savepoint_is_undone_with_it(self, new_store: NewStore) -> None:
        """The transaction continues after a savepoint in which a condition was violated, and its check blocked nobody."""
        async with new_store([]) as store:
            condition = await read_condition(store, having("x:a"))
            await appended(store, tagged("x:a"))
            async with writing(store) as transaction:
                with pytest.raises(BoundaryConflict):
                    async with transaction.savepoint():
                        await transaction.log.guard([condition], ["x:a"])
                await add(transaction, tagged("x:b"))
            assert len(await selected(store, having("x:b"))) == 1
