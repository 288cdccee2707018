"""The event log: versions, conflicts, order, pages, and unchanged events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID, uuid4

import anyio
import pytest

from twofold.errors import ConcurrencyConflict, DuplicateEvent
from twofold.ports import START, Expected, ExpectedVersion, NewEvent, Position, StoredEvent, WriteStore

from .._tools.opened import NewStore, undone, writing


def event(data: str = "{}", *, name: str = "suite.happened", id: UUID | None = None) -> NewEvent:
    """Return an event that is not stored yet."""
    return NewEvent(id or uuid4(), name, 1, data, "{}", datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC))


async def append(
    store: WriteStore, stream: str, events: Sequence[NewEvent], expected: ExpectedVersion = Expected.ANY
) -> Sequence[StoredEvent]:
    """Append events in a separate transaction."""
    async with writing(store) as transaction:
        return await transaction.log.append(stream, events, expected=expected)


async def stream_of(store: WriteStore, stream: str, after: int = 0) -> list[StoredEvent]:
    """Return the committed events of a stream."""
    return [stored async for stored in store.log.read(stream, after=after)]


async def id_at(store: WriteStore, position: Position) -> UUID:
    """Return the id of the event at a position."""
    return (await store.log.ids([position]))[position]


class EventLogSuite:
    """The promises of every event log."""

    async def test_exact_versions(self, new_store: NewStore) -> None:
        """Batches of one, two and three events succeed at their exact expected version.

        Every other version conflicts.
        """
        async with new_store([]) as store:
            assert [each.version for each in await append(store, "s-1", [event()], 0)] == [1]
            assert [each.version for each in await append(store, "s-1", [event(), event()], 1)] == [2, 3]
            for wrong in (0, 1, 2, 4):
                with pytest.raises(ConcurrencyConflict) as caught:
                    await append(store, "s-1", [event()], wrong)
                assert (caught.value.expected, caught.value.actual) == (wrong, 3)
            assert [each.version for each in await append(store, "s-1", [event()] * 1 + [event(), event()], 3)] == [
                4,
                5,
                6,
            ]

    async def test_any_and_no_stream(self, new_store: NewStore) -> None:
        """`any` never conflicts; `no stream` conflicts with an existing stream."""
        async with new_store([]) as store:
            await append(store, "s-1", [event()], Expected.NO_STREAM)
            with pytest.raises(ConcurrencyConflict) as caught:
                await append(store, "s-1", [event()], Expected.NO_STREAM)
            assert caught.value.actual == 1
            await append(store, "s-1", [event()], Expected.ANY)
            await append(store, "s-2", [event()], Expected.ANY)
            assert [each.version for each in await stream_of(store, "s-1")] == [1, 2]

    async def test_an_empty_append_checks_too(self, new_store: NewStore) -> None:
        """The expected version is also checked when no events are appended."""
        async with new_store([]) as store:
            await append(store, "s-1", [event()])
            await append(store, "s-1", [], 1)
            for stream, wrong in (("s-1", 0), ("s-1", 2), ("s-1", Expected.NO_STREAM)):
                with pytest.raises(ConcurrencyConflict):
                    await append(store, stream, [], wrong)

    async def test_one_of_many_writers_wins(self, new_store: NewStore) -> None:
        """Exactly one of several concurrent writers that expect the same version wins.

        The others get a conflict with both versions.
        """
        async with new_store([]) as store:
            await append(store, "s-1", [event()])
            ready, outcomes = anyio.Event(), list[object]()

            async def write() -> None:
                await ready.wait()
                try:
                    await append(store, "s-1", [event()], 1)
                    outcomes.append("won")
                except ConcurrencyConflict as conflict:
                    outcomes.append((conflict.expected, conflict.actual))

            async with anyio.create_task_group() as writers:
                for _ in range(8):
                    writers.start_soon(write)
                ready.set()
            assert outcomes.count("won") == 1
            assert outcomes.count((1, 2)) == 7
            assert len(await stream_of(store, "s-1")) == 2

    async def test_many_events_in_one_append(self, new_store: NewStore) -> None:
        """An append of more than a thousand events gives them versions without gaps and ascending positions."""
        async with new_store([]) as store:
            new = [event(f'{{"number":{number}}}') for number in range(1500)]
            stored = await append(store, "s-1", new, Expected.NO_STREAM)
            assert [each.version for each in stored] == list(range(1, 1501))
            read = await stream_of(store, "s-1")
            assert read == list(stored)
            assert [each.id for each in read] == [each.id for each in new]
            assert all(first.position < second.position for first, second in pairwise(read))

    async def test_several_streams_all_or_none(self, new_store: NewStore) -> None:
        """Appends to several streams in one transaction become readable together, or not at all."""
        async with new_store([]) as store:
            await append(store, "s-3", [event()])
            with pytest.raises(ConcurrencyConflict):
                async with writing(store) as transaction:
                    await transaction.log.append("s-1", [event()], expected=0)
                    await transaction.log.append("s-2", [event()], expected=0)
                    await transaction.log.append("s-3", [event()], expected=0)
            assert [await stream_of(store, stream) for stream in ("s-1", "s-2")] == [[], []]
            async with writing(store) as transaction:
                await transaction.log.append("s-1", [event()], expected=0)
                await transaction.log.append("s-2", [event()], expected=0)
                assert (await store.log.read_all()).events[1:] == ()
            assert [each.stream for each in (await store.log.read_all()).events] == ["s-3", "s-1", "s-2"]

    async def test_an_event_id_is_taken_once(self, new_store: NewStore) -> None:
        """An event id that is already in the log, or occurs twice in one append, is refused. Nothing is written."""
        async with new_store([]) as store:
            first = event()
            await append(store, "s-1", [first])
            for again in ([event(), first], [first]):
                with pytest.raises(DuplicateEvent):
                    await append(store, "s-2", again)
            twice = event()
            with pytest.raises(DuplicateEvent):
                await append(store, "s-2", [twice, twice])
            assert [each.id for each in (await store.log.read_all()).events] == [first.id]

    async def test_a_rollback_leaves_nothing_and_delays_no_reader(self, new_store: NewStore) -> None:
        """Events of a rolled-back transaction are never readable, and later events are."""
        async with new_store([]) as store:
            async with undone(store) as transaction:
                await transaction.log.append("s-1", [event(), event()], expected=0)
            assert (await store.log.head(), await stream_of(store, "s-1")) == (START, [])
            (later,) = await append(store, "s-1", [event()], 0)
            page = await store.log.read_all()
            assert (page.events, page.last) == ((later,), later.position)

    async def test_events_survive_the_round_trip(self, new_store: NewStore) -> None:
        """Ids, names, versions, data, metadata and UTC times are returned unchanged."""
        async with new_store([]) as store:
            text = '"text":"Zürich ☃ 𝄞 \\" \\\\ \\u0000"'
            data = f'{{{text},"amount":"12345678901234567890.10","big":9007199254740993,"float":0.1}}'
            new = event(data, name="suite.round-trip")._replace(schema=7, metadata='{"tenant":"ä","n":null}')
            await append(store, "s-ü", [new])
            for stored in (*(await store.log.read_all()).events, *await stream_of(store, "s-ü")):
                assert NewEvent(*stored[:6]) == new
                assert stored.time.utcoffset() == new.time.utcoffset()
                assert (stored.stream, stored.version) == ("s-ü", 1)

    async def test_pages_of_any_size_give_the_same(self, new_store: NewStore) -> None:
        """Reading with batches of one, two and many events returns the same events, each once, up to the head."""
        async with new_store([]) as store:
            for number in range(7):
                await append(store, f"s-{number % 3}", [event(), event()])
            everything = (await store.log.read_all(limit=1000)).events
            assert len(everything) == 14
            for limit in (1, 2, 5, 14, 100):
                read, position = list[StoredEvent](), START
                while (page := await store.log.read_all(after=position, limit=limit)).last > position:
                    assert len(page.events) <= limit
                    read.extend(page.events)
                    position = page.last
                assert tuple(read) == everything
                assert position == await store.log.head() == everything[-1].position

    async def test_a_stream_is_read_from_a_version(self, new_store: NewStore) -> None:
        """A stream can be read after a given version, after its end, and when it does not exist."""
        async with new_store([]) as store:
            await append(store, "s-1", [event() for _ in range(5)])
            assert [each.version for each in await stream_of(store, "s-1", after=2)] == [3, 4, 5]
            assert await stream_of(store, "s-1", after=5) == []
            assert await stream_of(store, "s-1", after=99) == []
            assert await stream_of(store, "nothing") == []

    async def test_filtered_pages_move_on(self, new_store: NewStore) -> None:
        """A batch reports how far the log was read, even if no event matched.

        After a full batch, reading resumes after its last event.
        """
        async with new_store([]) as store:
            for number in range(6):
                await append(store, "s-1", [event(name="suite.wanted" if number % 3 == 0 else "suite.other")])
            head = await store.log.head()
            nothing = await store.log.read_all(names={"suite.never"})
            assert (nothing.events, nothing.last) == ((), head)
            first = await store.log.read_all(limit=1, names={"suite.wanted"})
            assert ([each.version for each in first.events], first.last) == ([1], first.events[0].position)
            rest = await store.log.read_all(after=first.last, names={"suite.wanted"})
            assert ([each.version for each in rest.events], rest.last) == ([4], head)
            assert (rest.event, nothing.event) == (await id_at(store, head),) * 2
            assert await store.log.read_all(after=head, event=rest.event) == ((), head, rest.event)

    async def test_events_are_counted(self, new_store: NewStore) -> None:
        """The log counts the events between two positions."""
        async with new_store([]) as store:
            stored = await append(store, "s-1", [event() for _ in range(5)])
            assert await store.log.count(after=START, upto=stored[-1].position) == 5
            assert await store.log.count(after=stored[1].position, upto=stored[3].position) == 2
            assert await store.log.count(after=stored[4].position, upto=stored[4].position) == 0

    async def test_the_identity_is_the_logs_own(self, new_store: NewStore) -> None:
        """A log keeps its identity, and every log has a different one."""
        async with new_store([]) as store, new_store([]) as other:
            assert await store.log.identity() == await store.log.identity()
            assert await store.log.identity() != await other.log.identity()

    async def test_events_are_read_by_their_correlation_id(self, new_store: NewStore) -> None:
        """Pages in both directions have the events of one correlation id, whatever else their metadata has."""
        wanted, other = uuid4(), uuid4()
        matching = (
            f'{{"correlation_id":"{wanted}","causation_id":"{other}"}}',
            f'{{"correlation_id":"{wanted}","headers":{{"correlation_id":"{other}","text":"\\u0000 ü 🚲"}}}}',
            f'{{"tenant": "ü", "correlation_id": "{wanted}"}}',
        )
        others = (
            f'{{"correlation_id":"{other}","causation_id":"{wanted}"}}',
            f'{{"headers":{{"correlation_id":"{wanted}","text":"\\u0000"}}}}',
            '{"correlation_id":null,"tenant":"ü"}',
            '{"correlation_id":""}',
            "{}",
        )
        async with new_store([]) as store:
            new = [event()._replace(metadata=text) for text in (*matching, *others, *matching)]
            stored = await append(store, "s-1", new)
            found = [each for each in stored if each.metadata in matching]
            end = Position(await store.log.head() + 1)

            async def read(after: Position, before: Position, limit: int, newest: bool) -> list[StoredEvent]:
                return list(
                    await store.log.read_correlated(
                        wanted, after=after, before=before, limit=limit, newest_first=newest
                    )
                )

            assert await read(START, end, 100, False) == found
            assert await read(START, end, 100, True) == found[::-1]
            assert await read(START, end, 2, False) == found[:2]
            assert await read(START, end, 2, True) == found[:-3:-1]
            first, *_, last = (each.position for each in found)
            for newest in (False, True):
                inner = await read(first, last, 100, newest)
                assert sorted(inner, key=lambda each: each.position) == found[1:-1]
            assert await store.log.read_correlated(uuid4(), after=START, before=end, limit=1) == []

    async def test_an_append_that_is_rolled_back_has_no_correlation_id(self, new_store: NewStore) -> None:
        """Events that were rolled back are not found, and those that follow are found once."""
        wanted = uuid4()
        one = event()._replace(metadata=f'{{"correlation_id":"{wanted}"}}')
        async with new_store([]) as store:
            end = Position(1_000)
            assert await store.log.read_correlated(wanted, after=START, before=end, limit=9) == []
            async with undone(store) as transaction:
                await transaction.log.append("s-1", [one], expected=Expected.ANY)
            assert await store.log.read_correlated(wanted, after=START, before=end, limit=9) == []
            stored = await append(store, "s-1", [one])
            assert await store.log.read_correlated(wanted, after=START, before=end, limit=9) == stored
