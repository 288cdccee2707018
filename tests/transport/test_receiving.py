"""Events of another application are recorded once, and only the declared ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from tests.domains.shops import GetParcel, shipping
from tests.transport.wire import mark, receiving, sold, taken
from twofold import Application
from twofold._writing.transactions import writing
from twofold.errors import StorageError
from twofold.ports import Expected, NewEvent, StoredEvent, Transport, WriteStore
from twofold.testing.conformance._tools.in_time import CEILING
from twofold.testing.conformance._tools.problems import problems_of
from twofold.testing.conformance._tools.watched import AFTER_APPEND, AFTER_COMMIT, watched
from twofold_sqlalchemy import SqlAlchemy


async def numbers(app: Application, order: str) -> tuple[int, ...]:
    """Return the sales of an order that the depot has received."""
    parcel = await app.execute(GetParcel(order_id=order))
    return parcel.numbers if parcel else ()


async def recorded(store: WriteStore) -> list[StoredEvent]:
    """Return the events of a log."""
    return list((await store.log.read_all()).events)


async def test_events_whose_messages_have_no_id(there: WriteStore, broker: Transport) -> None:
    """An event is known by its own id: those of another program's messages may be missing, or others each time."""
    async with shipping(there, broker) as depot:
        first, second = (sold(number)._replace(id="") for number in (1, 2))
        await broker.publisher.publish([first, second, first, first._replace(id="x"), second._replace(id="y")])
        await depot.settle()
        assert await numbers(depot, "a") == (1, 2)


async def test_two_sources_of_one_event(there: WriteStore, broker: Transport) -> None:
    """Each is recorded once, by the feed of its source, also where their ids are the same, and none is parked."""
    async with receiving(there, broker, sources=("shop", "market")) as depot:
        await broker.publisher.publish(
            [sold(1, "a", id="7"), sold(1, "b", id="7", source="market"), sold(2, "a", id="8")]
        )
        await depot.settle()
        assert [each.stream for each in await recorded(there)] in (
            ["shop/order-a", "market/order-b", "shop/order-a"],
            ["market/order-b", "shop/order-a", "shop/order-a"],
            ["shop/order-a", "shop/order-a", "market/order-b"],
        )
        assert (await depot.health()).healthy


async def test_events_are_identified_by_source_and_id_as_texts(there: WriteStore, broker: Transport) -> None:
    """Equal UUIDs of two sources, other forms of one UUID, and ids of our own events are different events."""
    async with receiving(there, broker, sources=("shop", "market")) as depot:
        used, same = uuid4(), uuid4()
        async with writing(there) as transaction:
            own = NewEvent(used, "depot.own", 1, "{}", '{"correlation_id":"x"}', datetime.now(UTC))
            await transaction.log.append("own", [own], expected=Expected.ANY)
        ids = [str(used), str(same), str(same).upper(), same.hex, f"{{{same}}}", f"<{same}>", same.urn, "7", "\u00e9"]
        sent = [
            sold(number, "a", id=name, source=source, subject=source)
            for source in ("shop", "market")
            for number, name in enumerate(ids, 1)
        ]
        for _ in range(2):  # the second time each is a duplicate
            await broker.publisher.publish([*sent, *sent])
            await depot.settle()
            found = [each for each in await recorded(there) if each.stream != "own"]
            assert sorted(json.loads(each.data)["number"] for each in found) == sorted([*range(1, 10)] * 2)
            assert len({each.id for each in found}) == len(found)
            await there.inbox.delete(before=datetime.now(UTC) + timedelta(days=1), limit=1_000)
        assert (await depot.health()).healthy


@pytest.mark.parametrize(
    "attributes",
    [
        {"source": "account-2024", "subject": "17"},
        {"source": "account-2024", "subject": "17", "type": "account.paid_in"},
        {"type": "account.paid_in"},
        {"time": "0001-01-01T00:00:00Z"},
        {"data": {"order_id": "a", "number": 1e999}},
        {"data": "text"},
    ],
    ids=str,
)
async def test_a_message_that_may_not_be_recorded_is_parked(
    there: WriteStore, broker: Transport, attributes: dict[str, Any]
) -> None:
    """Events of undeclared sources and types, and events that no store accepts, are parked and never recorded."""
    async with shipping(there, broker) as depot:
        await broker.publisher.publish([sold(1, **attributes), sold(2)])
        await depot.settle()
        assert await numbers(depot, "a") == (2,)
        (event,) = await recorded(there)
        assert json.loads(event.data)["number"] == 2
        assert len(await broker.parked("depot.shop")) == 1


async def test_marks_of_others_are_parked(there: WriteStore, broker: Transport) -> None:
    """Progress of the shop is accepted only from the shop; other progress is parked."""
    async with shipping(there, broker):
        await taken(broker, mark(7, source="market"))
        assert len(await broker.parked("depot.shop")) == 2
        assert await there.subscriptions.checkpoint("depot.shop.0") is None


async def test_every_store_accepts_decoded_messages(there: WriteStore, broker: Transport) -> None:
    """Values at the limits of decoding are recorded and read."""
    async with shipping(there, broker) as depot:
        longest = "🚲" * 375
        await broker.publisher.publish(
            [
                sold(1, time="1000-01-01T00:00:00Z"),
                sold(2, time="9998-12-31T23:59:59.999999Z"),
                sold(3, subject=longest, schemaversion=2**31 - 1, originposition=str(2**63 - 1), tenant="é" * 200),
            ]
        )
        await depot.settle()
        found = {each.data: each for each in await recorded(there)}
        assert min(each.time.year for each in found.values()) == 1000
        assert max(each.time.year for each in found.values()) == 9998
        assert max(each.schema for each in found.values()) == 2**31 - 1
        assert f"shop/{longest}" in {each.stream for each in found.values()}
        assert not await broker.parked("depot.shop")


async def test_a_message_that_the_store_refuses_is_parked_alone(there: WriteStore, broker: Transport) -> None:
    """Only the refused message is parked. Earlier and later messages are recorded in order."""

    async def refuse(point: str, about: str) -> None:
        if point == AFTER_APPEND and about == "shop/order-bad":
            raise StorageError("it has a text that this database cannot keep")

    async with shipping(watched(there, refuse), broker) as depot:
        events = [sold(1), sold(1, "bad"), sold(2), sold(1, "b"), sold(2, "bad"), sold(3)]
        await taken(broker, *events, mark(9))
        await depot.settle()
        assert (await numbers(depot, "a"), await numbers(depot, "b"), await numbers(depot, "bad")) == (
            (1, 2, 3),
            (1,),
            (),
        )
        parked = await broker.parked("depot.shop")
        assert [each.message.id for each in parked] == [events[1].id, events[4].id]
        assert "it cannot be recorded: StorageError: it has a text" in parked[0].reason
        assert any("has parked 2 message" in problem for problem in await problems_of(depot))


async def test_a_store_that_takes_nothing_parks_nothing(there: WriteStore, broker: Transport) -> None:
    """A failure of the store, whatever its error, parks no message: the messages wait."""
    refused = 0

    async def refuse(point: str, about: str) -> None:
        nonlocal refused
        if point == AFTER_APPEND and about.startswith("shop/") and refused < 9:
            refused += 1
            raise StorageError("the disk is full")

    async with shipping(watched(there, refuse), broker) as depot:
        await broker.publisher.publish([sold(1), sold(2), sold(1, "b")])
        await depot.settle()
        assert refused == 9
        assert (await numbers(depot, "a"), await numbers(depot, "b")) == ((1, 2), (1,))
        assert not await broker.parked("depot.shop")
        assert (await depot.health()).healthy


@pytest.mark.parametrize("kind", ["postgresql"])
async def test_a_pool_of_one_connection_is_enough(new_postgresql_url: Callable[[], str], broker: Transport) -> None:
    """Nothing is looked up beside an open transaction."""
    engine = create_async_engine(new_postgresql_url(), pool_size=1, max_overflow=0, pool_timeout=CEILING)
    try:
        async with shipping(SqlAlchemy(engine), broker, seconds=4 * CEILING) as depot:
            await broker.publisher.publish([sold(1), mark(1), sold(2), mark(2)])
            await depot.settle()
            assert await numbers(depot, "a") == (1, 2)
    finally:
        await engine.dispose()


async def test_an_unchanged_checkpoint_costs_nothing(there: WriteStore, broker: Transport) -> None:
    """An idle application publishes its checkpoint every two seconds."""
    commits: list[str] = []

    async def note(point: str, about: str) -> None:
        if point == AFTER_COMMIT and about.startswith("depot.shop."):
            commits.append(about)

    async with shipping(watched(there, note), broker):
        await taken(broker, mark(5))
        before = len(commits)
        assert before
        for _ in range(3):
            await taken(broker, mark(5))
        assert len(commits) == before
        await taken(broker, mark(6))
        assert len(commits) > before


async def test_where_the_last_event_is_never_goes_back(there: WriteStore, broker: Transport) -> None:
    """A redelivered event that is no longer in the inbox does not move the position of the last event."""
    async with receiving(there, broker) as depot:
        await taken(broker, sold(1), sold(2), sold(3))
        await depot.settle()
        head = await there.log.head()
        await depot.operations.delete_records(older_than=timedelta(0))
        await taken(broker, sold(1))
        found = await there.subscriptions.checkpoint("depot.shop.0.recorded")
        assert found is not None
        assert found.position == head
        assert len(await recorded(there)) == 3
