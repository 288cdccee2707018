"""Concurrent writers of one stream on PostgreSQL: one wins, and the others wait or get a conflict."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest

from tests.adapters.sqlalchemy.postgresql_lab import Lab, at_once, begun, event, lab_at, put, read
from tests.conftest import NewUrl
from twofold.errors import ConcurrencyConflict, DuplicateEvent, UnitOfWorkDoomed
from twofold.ports import Expected, ExpectedVersion, StoredEvent
from twofold_sqlalchemy import SqlAlchemy
from twofold_sqlalchemy._transaction import SqlTransaction

WRITERS = 8


@pytest.fixture
async def lab(prepared_postgresql_url: NewUrl) -> AsyncIterator[Lab]:
    """An empty database."""
    async with lab_at(prepared_postgresql_url()) as lab:
        yield lab


@pytest.fixture
async def stores(lab: Lab) -> Sequence[SqlAlchemy]:
    """Two processes."""
    return [await lab.process(), await lab.process()]


async def versions(store: SqlAlchemy, stream: str) -> list[int]:
    """Return the versions of a stream as the log delivers them."""
    return [event.version for event in await read(store) if event.stream == stream]


@pytest.mark.parametrize("count", [1, 3, 40], ids=["1 event", "3 events", "40 events"])
@pytest.mark.parametrize("existing", [0, 2], ids=["new stream", "existing stream"])
async def test_any_never_conflicts(stores: Sequence[SqlAlchemy], existing: int, count: int) -> None:
    """Each append of eight concurrent writers succeeds as a whole. Versions have no gaps."""
    for _ in range(existing):
        await put(stores[0], "shared")

    async def write(number: int, barrier: asyncio.Barrier) -> list[Sequence[StoredEvent]]:
        stored = []
        for _ in range(3):
            await barrier.wait()
            stored.append(await put(stores[number % 2], "shared", count))
        return stored

    done = await at_once(WRITERS, write)

    appends = [append for writer in done for append in writer]
    for append in appends:
        assert [event.version - append[0].version for event in append] == list(range(count))
    assert await versions(stores[0], "shared") == list(range(1, existing + len(appends) * count + 1))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("expected", [0, Expected.NO_STREAM, 2])
async def test_one_of_several_appends_with_the_same_expected_version_succeeds(
    stores: Sequence[SqlAlchemy], expected: ExpectedVersion, count: int
) -> None:
    """The other appends raise a conflict with both versions, and none of their events is stored."""
    existing = 2 if expected == 2 else 0
    if existing:
        await put(stores[0], "shared", existing)

    async def write(number: int, barrier: asyncio.Barrier) -> Sequence[StoredEvent]:
        transaction = await stores[number % 2].begin()
        try:
            await barrier.wait()
            events = [event() for _ in range(count + number % 2)]
            stored = await transaction.log.append("shared", events, expected=expected)
            await transaction.commit()
        finally:
            await transaction.rollback()
        return stored

    done = await at_once(WRITERS, write)

    winners = [found for found in done if not isinstance(found, ConcurrencyConflict)]
    conflicts = [found for found in done if isinstance(found, ConcurrencyConflict)]
    assert (len(winners), len(conflicts)) == (1, WRITERS - 1)
    last = existing + len(winners[0])
    assert {(conflict.expected, conflict.actual) for conflict in conflicts} == {(expected, last)}
    assert await versions(stores[0], "shared") == list(range(1, last + 1))


async def test_a_loser_with_more_events_than_the_winner_stores_none_of_them(
    lab: Lab, stores: Sequence[SqlAlchemy]
) -> None:
    """Its later versions were free. Swallowing the conflict does not help: its transaction cannot be committed."""
    winner = await begun(stores[0], "shared")
    loser = await stores[1].begin()
    append = asyncio.create_task(_append(loser, "shared", 3, 0))
    await lab.until_waiting()
    await winner.commit()

    with pytest.raises(ConcurrencyConflict):
        await append
    with pytest.raises(UnitOfWorkDoomed):
        await loser.commit()
    await loser.rollback()

    assert await versions(stores[0], "shared") == [1]


@pytest.mark.parametrize("expected", [0, Expected.NO_STREAM, Expected.ANY])
@pytest.mark.parametrize("committed", [True, False], ids=["commits", "rolls back"])
async def test_a_second_creator_waits_for_the_first(
    lab: Lab, stores: Sequence[SqlAlchemy], expected: ExpectedVersion, committed: bool
) -> None:
    """It starts before the first has ended: it conflicts when that one commits, and succeeds when it rolls back."""
    first = await begun(stores[0], "shared")
    second = asyncio.create_task(put(stores[1], "shared", 2, expected))
    await lab.until_waiting()
    await (first.commit() if committed else first.rollback())

    if committed and expected is not Expected.ANY:
        with pytest.raises(ConcurrencyConflict) as conflict:
            await second
        assert (conflict.value.expected, conflict.value.actual) == (expected, 1)
        assert await versions(stores[0], "shared") == [1]
    else:
        assert [event.version for event in await second] == ([2, 3] if committed else [1, 2])
        assert await versions(stores[0], "shared") == ([1, 2, 3] if committed else [1, 2])


async def test_a_creator_that_starts_after_the_first_committed_conflicts(stores: Sequence[SqlAlchemy]) -> None:
    """Also when its transaction began, and read the stream as empty, before that."""
    second = await stores[1].begin()
    assert [event async for event in second.log.read("shared")] == []
    await put(stores[0], "shared")

    with pytest.raises(ConcurrencyConflict) as conflict:
        await second.log.append("shared", [event()], expected=Expected.NO_STREAM)
    await second.rollback()

    assert (conflict.value.expected, conflict.value.actual) == (Expected.NO_STREAM, 1)


async def test_a_conflict_in_a_savepoint_ends_with_it(lab: Lab, stores: Sequence[SqlAlchemy]) -> None:
    """The appends before and after a savepoint with a conflict are committed, and so are the events of the winner."""
    winner = await begun(stores[0], "shared")
    loser = await begun(stores[1], "own")

    async def lose() -> None:
        async with loser.savepoint():
            await loser.log.append("shared", [event(), event()], expected=0)

    losing = asyncio.create_task(lose())
    await lab.until_waiting()
    await winner.commit()
    with pytest.raises(ConcurrencyConflict):
        await losing
    await loser.log.append("shared", [event()], expected=1)
    await loser.commit()

    assert [(event.stream, event.version) for event in await read(stores[0])] == [
        ("shared", 1),
        ("own", 1),
        ("shared", 2),
    ]


async def test_one_event_appended_by_all_is_stored_once(stores: Sequence[SqlAlchemy]) -> None:
    """One event id that is appended to eight streams at the same time is stored once.

    The other appends raise `DuplicateEvent`.
    """
    same = event()

    async def write(number: int, barrier: asyncio.Barrier) -> None:
        transaction = await stores[number % 2].begin()
        try:
            await barrier.wait()
            await transaction.log.append(f"s-{number}", [event(), same, event()], expected=0)
            await transaction.commit()
        finally:
            await transaction.rollback()

    done = await at_once(WRITERS, write)

    assert Counter(type(found) for found in done) == {type(None): 1, DuplicateEvent: WRITERS - 1}
    assert len(await read(stores[0])) == 3


async def _append(transaction: SqlTransaction, stream: str, count: int, expected: ExpectedVersion) -> None:
    await transaction.log.append(stream, [event() for _ in range(count)], expected=expected)
