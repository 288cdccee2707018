"""The order of the log on PostgreSQL: readers wait for late commits, and for no other transactions."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

import pytest

from tests.adapters.sqlalchemy.postgresql_lab import INSERT, Lab, begun, event, lab_at, put, read, streams
from tests.conftest import NewUrl
from twofold.ports import START, Expected, Position
from twofold_sqlalchemy import SqlAlchemy
from twofold_sqlalchemy._dialects.postgresql.catalog import ADVISORY_LOCK
from twofold_sqlalchemy._dialects.postgresql.connections import PostgreSQLConnections


@pytest.fixture
async def lab(prepared_postgresql_url: NewUrl) -> AsyncIterator[Lab]:
    """An empty database."""
    async with lab_at(prepared_postgresql_url()) as lab:
        yield lab


@pytest.fixture
async def store(lab: Lab) -> SqlAlchemy:
    """The process that writes."""
    return await lab.process()


@pytest.fixture
async def readers(lab: Lab, store: SqlAlchemy) -> Sequence[SqlAlchemy]:
    """One process that has read before, the writing one that has as well, and one that has just started."""
    old = await lab.process()
    for reader in (old, store):
        assert await streams(reader) == []
    return [old, store, await lab.process()]


class Undo(Exception):
    """Leaves a savepoint."""


async def test_a_late_commit_is_delivered_and_nothing_before_it(
    store: SqlAlchemy, readers: Sequence[SqlAlchemy]
) -> None:
    """A transaction takes its position first and commits last: readers wait for it and skip no event."""
    late = await begun(store, "late")
    await put(store, "early")

    assert [await streams(reader) for reader in readers] == [[]] * 3
    await late.commit()

    assert [await streams(reader) for reader in readers] == [["late", "early"]] * 3


async def test_readers_continue_immediately_after_a_late_rollback(
    store: SqlAlchemy, readers: Sequence[SqlAlchemy]
) -> None:
    """After a rollback the next read continues immediately, without a timeout."""
    late = await begun(store, "late")
    await put(store, "early")

    assert [await streams(reader) for reader in readers] == [[]] * 3
    await late.rollback()

    assert [await streams(reader) for reader in readers] == [["early"]] * 3


async def test_a_gap_in_the_middle_delays_only_later_events(store: SqlAlchemy, lab: Lab) -> None:
    """Events before an open append are delivered, batch by batch, also to a reader of few event types."""
    await put(store, "before", 3)
    late = await begun(store, "late")
    await put(store, "behind")
    reader = await lab.process()
    await reader.log.head()

    assert await streams(store) == ["before"] * 3
    page = await store.log.read_all(names=["test.other"])
    assert (page.events, page.last) == ((), 3)
    await late.commit()

    assert await streams(store) == ["before", "before", "before", "late", "behind"]


async def test_several_open_appends_are_waited_for_one_by_one(store: SqlAlchemy, readers: Sequence[SqlAlchemy]) -> None:
    """Readers advance to the first open append, whatever has ended after it."""
    first, second, third, fourth = [await begun(store, name) for name in ("first", "second", "third", "fourth")]
    await third.commit()
    assert [await streams(reader) for reader in readers] == [[]] * 3
    await first.commit()
    assert [await streams(reader) for reader in readers] == [["first"]] * 3
    await fourth.commit()
    assert [await streams(reader) for reader in readers] == [["first"]] * 3
    await second.rollback()
    assert [await streams(reader) for reader in readers] == [["first", "third", "fourth"]] * 3


async def test_a_savepoint_that_is_undone_delays_no_reader(store: SqlAlchemy, readers: Sequence[SqlAlchemy]) -> None:
    """The savepoint's positions and its lock are released, although the transaction stays open and appends again."""
    open_one = await store.begin()
    with suppress(Undo):
        async with open_one.savepoint():
            await open_one.log.append("undone", [event(), event()], expected=Expected.ANY)
            raise Undo
    await put(store, "other")
    assert [await streams(reader) for reader in readers] == [["other"]] * 3

    await open_one.log.append("kept", [event()], expected=Expected.ANY)
    await put(store, "other")
    assert [await streams(reader) for reader in readers] == [["other"]] * 3
    await open_one.commit()

    assert [await streams(reader) for reader in readers] == [["other", "kept", "other"]] * 3


async def test_a_savepoint_undone_behind_an_append_keeps_the_lock(
    store: SqlAlchemy, readers: Sequence[SqlAlchemy]
) -> None:
    """Events that were appended before the savepoint are still uncommitted, and readers wait for them."""
    open_one = await begun(store, "kept")
    with suppress(Undo):
        async with open_one.savepoint():
            await open_one.log.append("undone", [event()], expected=Expected.ANY)
            raise Undo
    await put(store, "other")

    assert [await streams(reader) for reader in readers] == [[]] * 3
    await open_one.commit()

    assert [await streams(reader) for reader in readers] == [["kept", "other"]] * 3


STRANGERS = {
    "writes another table": ["BEGIN", "CREATE TABLE other (id int)", "INSERT INTO other VALUES (1)"],
    "holds a snapshot": [
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
        "SELECT count(*) FROM pg_class",
        "SELECT txid_current()",
    ],
    "holds other advisory locks": [
        "BEGIN",
        f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK}, 0)",
        f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})",
        "SELECT pg_advisory_lock_shared(1, 1)",
        "SELECT txid_current()",
    ],
    "reads the log": [
        "BEGIN ISOLATION LEVEL SERIALIZABLE",
        "SELECT txid_current()",
        "SELECT count(*) FROM twofold_events",
    ],
}


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "in another database"])
@pytest.mark.parametrize("statements", STRANGERS.values(), ids=STRANGERS.keys())
async def test_a_transaction_that_does_not_append_delays_no_reader(
    lab: Lab, store: SqlAlchemy, new_postgresql_url: NewUrl, statements: Sequence[str], elsewhere: bool
) -> None:
    """Open transactions that do not append do not delay readers: a gap is resolved immediately."""
    url = new_postgresql_url() if elsewhere else lab.url
    if elsewhere:
        async with lab_at(url) as other:
            await other.process()
    stranger = await lab.session(url)
    for statement in statements:
        await stranger.execute(statement)

    undone = await begun(store, "undone")
    await put(store, "delivered")
    assert await streams(store) == []
    await undone.rollback()

    assert await streams(store) == ["delivered"]
    assert await streams(await lab.process()) == ["delivered"]
    assert stranger.is_in_transaction()


async def test_an_append_in_another_database_delays_no_reader(
    lab: Lab, store: SqlAlchemy, new_postgresql_url: NewUrl
) -> None:
    """Two databases may even give the same number to their logs: the lock belongs to one of them."""
    stranger = await lab.session(new_postgresql_url())
    await stranger.execute("BEGIN")
    number = await lab.ask("SELECT 'twofold_events'::regclass::oid::int")
    await stranger.execute(f"SELECT pg_advisory_xact_lock_shared({ADVISORY_LOCK}, {number})")

    await (await begun(store, "undone")).rollback()
    await put(store, "delivered")

    assert await streams(store) == ["delivered"]


async def test_another_table_first_and_the_append_second(lab: Lab, readers: Sequence[SqlAlchemy]) -> None:
    """A transaction is as old as its append, not as its first write: the stream comes in the order of its versions."""
    old = await lab.session()
    await lab.ask("CREATE TABLE other (id int)")
    await old.execute("BEGIN")
    await old.execute("INSERT INTO other VALUES (1)")
    await put(readers[1], "shared")
    assert [await streams(reader) for reader in readers] == [["shared"]] * 3

    await old.execute(INSERT.format(stream="shared").replace("', 1,", "', 2,"))
    await put(readers[1], "behind")
    assert [await streams(reader) for reader in readers] == [["shared"]] * 3
    await old.execute("COMMIT")

    for reader in readers:
        assert [(event.stream, event.version) for event in await read(reader)] == [
            ("shared", 1),
            ("shared", 2),
            ("behind", 1),
        ]


@pytest.mark.parametrize("copy", [False, True], ids=["INSERT", "COPY"])
async def test_an_insert_by_hand_is_waited_for_as_well(
    lab: Lab, store: SqlAlchemy, readers: Sequence[SqlAlchemy], copy: bool
) -> None:
    """The trigger takes the lock for every insert, also for one by hand."""
    by_hand = await lab.session()
    await by_hand.execute("BEGIN")
    if copy:
        last = event()
        columns = ["stream", "version", "name", "schema_version", "time", "id", "metadata", "data"]
        record = ("by hand", 1, last.name, 1, last.time, last.id, "{}", "{}")
        await by_hand.copy_records_to_table("twofold_events", records=[record], columns=columns)
    else:
        await by_hand.execute(INSERT.format(stream="by hand"))
    await put(store, "behind")

    assert [await streams(reader) for reader in readers] == [[]] * 3
    await by_hand.execute("COMMIT")

    assert [await streams(reader) for reader in readers] == [["by hand", "behind"]] * 3


async def test_two_logs_in_two_schemas_do_not_meet(lab: Lab) -> None:
    """An open append in one schema holds back its own readers, and not those of the other schema."""
    for schema in ("one", "two"):
        await lab.ask(f"CREATE SCHEMA {schema}")
    one, two = [
        await lab.process(connect_args={"server_settings": {"search_path": schema}}) for schema in ("one", "two")
    ]
    assert await one.log.identity() != await two.log.identity()

    late = await begun(one, "late")
    for store in (one, two):
        await (await begun(store, "undone")).rollback()
        await put(store, "behind")

    assert (await streams(one), await streams(two)) == ([], ["behind"])
    assert len(await one.log.blocking_transactions()) == 1
    assert await two.log.blocking_transactions() == ()
    await late.commit()
    assert await streams(one) == ["late", "behind"]


async def test_readers_say_for_whom_they_wait(lab: Lab, readers: Sequence[SqlAlchemy]) -> None:
    """The session is named with its application, its state and its last statement, while it holds them back."""
    by_hand = await lab.session(application_name="the nightly import")
    await by_hand.execute("BEGIN")
    await by_hand.execute(INSERT.format(stream="by hand"))
    await put(readers[1], "behind")

    for reader in readers:
        assert await streams(reader) == []
        ((said, seconds),) = await reader.log.blocking_transactions()
        assert seconds > 0
        assert f"session {by_hand.get_server_pid()} of the nightly import has been appending for" in said
        assert "idle in transaction" in said
        assert "INSERT INTO twofold_events" in said
    await by_hand.execute("ROLLBACK")
    for reader in readers:
        assert await streams(reader) == ["behind"]
        assert await reader.log.blocking_transactions() == ()


@pytest.mark.parametrize("held", [False, True], ids=["at rest", "while somebody appends"])
async def test_a_log_with_many_old_gaps_is_read_without_checking_each(
    lab: Lab, store: SqlAlchemy, monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    """Thousands of positions that were rolled back long ago cost a new process a handful of statements in all."""
    sequence = "pg_get_serial_sequence('twofold_events', 'position')"
    await lab.ask(
        "INSERT INTO twofold_events (stream, version, name, schema_version, time, id, metadata, data) "
        f"SELECT 'old-' || nextval({sequence}), 1, 'old', 1, now(), gen_random_uuid(), '{{}}', '{{}}' "
        "FROM generate_series(1, 3000)"
    )
    late = await begun(store, "late")
    if not held:
        await late.commit()
    asked = 0
    fetch = PostgreSQLConnections.fetch

    async def counted(*given: Any) -> Any:
        nonlocal asked
        asked += 1
        return await fetch(*given)

    monkeypatch.setattr(PostgreSQLConnections, "fetch", counted)
    reader = await lab.process()

    if held:
        assert await reader.log.head() < 10
        await late.commit()
    assert await reader.log.head() == 6001
    assert asked < 15


@pytest.mark.parametrize("seed", range(12))
async def test_any_interleaving_is_delivered_exactly_and_in_order(lab: Lab, store: SqlAlchemy, seed: int) -> None:  # noqa: C901 -- a choice of everything
    """Each reader receives a growing prefix of the log, however appends, savepoints, commits and rollbacks interleave.

    Delivered events never change. Once no transaction appends, all committed events are delivered.
    """
    chance = random.Random(seed)
    often, seldom = store, await lab.process()
    known: dict[SqlAlchemy, list[Position]] = {often: [], seldom: []}
    committed: set[Position] = set()
    open_ones: list[tuple[Any, set[Position]]] = []

    async def look(reader: SqlAlchemy) -> None:
        found = [event.position for event in await read(reader)]
        assert found[: len(known[reader])] == known[reader]
        assert found == sorted(committed)[: len(found)]
        assert all(position > (found or [START])[-1] for _, positions in open_ones for position in positions)
        known[reader] = found

    for number in range(70):
        if len(open_ones) < 2 or (len(open_ones) < 6 and chance.random() < 0.4):
            open_ones.append((await store.begin(), set()))
        transaction, positions = chance.choice(open_ones)
        action = chance.random()
        if action < 0.45:
            stored = await transaction.log.append(f"s-{number}", [event()] * 1, expected=Expected.ANY)
            positions |= {event.position for event in stored}
        elif action < 0.6:
            with suppress(Undo):
                async with transaction.savepoint():
                    await transaction.log.append(f"s-{number}", [event()], expected=Expected.ANY)
                    if chance.random() < 0.5:
                        await look(often)
                    raise Undo
        else:
            open_ones.remove((transaction, positions))
            if action < 0.85:
                await transaction.commit()
                committed |= positions
            else:
                await transaction.rollback()
        await look(often)
        if chance.random() < 0.15:
            await look(seldom)
    while open_ones:
        transaction, positions = open_ones.pop()
        await transaction.commit()
        committed |= positions
        await look(often)
    for reader in (often, seldom, await lab.process()):
        assert [event.position for event in await read(reader)] == sorted(committed)
