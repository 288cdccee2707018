"""The relay: events that the broker refuses, and the progress that the relay publishes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.domains.shops import GetParcel, Rename, Sell, Sold, selling, settled, shipping, shop
from twofold import Application, Retry
from twofold._background.signal import Signal
from twofold._integration import relay as _relay
from twofold.errors import CheckpointMoved, MessageTooLarge, ReadNotReady
from twofold.ports import Feed, Outcome, Transport, WireMessage, WriteStore
from twofold.testing.conformance._tools.in_time import CEILING, until
from twofold_memory import InMemory, InMemoryTransport

FEED = Feed(consumer="depot.shop", topics=("shop.sold", "twofold.progress.shop"))


class Narrow(InMemoryTransport):
    """A broker for which some messages are too large."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[WireMessage] = []
        self.too_large: Callable[[WireMessage], bool] = lambda _: False

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        """Publish all, or refuse all."""
        for message in messages:
            if self.too_large(message):
                raise MessageTooLarge(f"cannot publish {message.id}: it is too large for this broker.")
        self.published += messages
        return await super().publish(messages)

    @property
    def events(self) -> list[tuple[str, int]]:
        """Which sales were published, in order."""
        bodies = [json.loads(each.body)["data"] for each in self.published if each.key is not None]
        return [(each["order_id"], each["number"]) for each in bodies]

    @property
    def marks(self) -> list[int]:
        """The positions that the relay has published."""
        return [int(json.loads(each.body)["originposition"]) for each in self.published if each.key is None]


def relaying(store: WriteStore, broker: Transport, **options: Any) -> Application:
    """Return a shop whose relay makes one attempt."""
    app = Application("shop", write=store, transport=broker, lease=0.5)
    app.include(shop)
    app.relay(Sold, retry=Retry(attempts=1), **options)
    return app


def is_second(message: WireMessage) -> bool:
    """Return whether a message is the second sale of order a."""
    return b'{"order_id":"a","number":2}' in message.body


async def test_an_event_that_is_too_large_holds_its_key(here: WriteStore) -> None:
    """An event that is too large is parked with later events of its key.

    Other keys continue. A retry keeps the order.
    """
    broker = Narrow()
    broker.too_large = is_second
    await broker.declare(FEED)
    app = relaying(here, broker)
    await app.create_schema()
    async with app:
        await app.dispatch(Sell(order_id="a", number=4))
        await app.dispatch(Sell(order_id="b", number=3))
        await app.settle()
        assert sorted(broker.events) == [("a", 1), ("b", 1), ("b", 2), ("b", 3)]
        parked = await app.operations.parked("relay")
        assert [each.attempts for each in parked] == [1, 0, 0]
        assert "too large for this broker" in parked[0].reason
        broker.too_large = lambda _: False
        assert not await app.operations.retry("relay", parked[0].key)
        assert [number for order, number in broker.events if order == "a"] == [1, 2, 3, 4]


async def test_a_key_that_is_too_long_is_the_fault_of_its_event(here: WriteStore, there: WriteStore) -> None:
    """A broker that refuses a key refuses all that came with it; the relay finds out which it was."""
    broker = Narrow()
    broker.too_large = lambda message: message.key is not None and len(message.key) > 100
    app = relaying(here, broker, partition_by="order_id")
    await app.create_schema()
    async with shipping(there, broker) as depot, app:
        await app.dispatch(Sell(order_id="x" * 150, number=2))
        await app.dispatch(Sell(order_id="b", number=2))
        await settled(app, depot)
        parcel = await depot.execute(GetParcel(order_id="b"))
        assert parcel is not None
        assert parcel.numbers == (1, 2)
        assert {each.key for each in await app.operations.parked("relay")} == {"x" * 150}


async def test_the_key_is_the_field_that_is_named(here: WriteStore) -> None:
    """With partition_by= receivers divide and order events by it; without it by the stream."""
    for options, key in (({"partition_by": "order_id"}, "a"), ({}, "order-b")):
        broker = Narrow()
        await broker.declare(FEED)
        app = relaying(here, broker, name=f"relay_{key[-1]}", **options)
        await app.create_schema()
        async with app:
            await app.dispatch(Sell(order_id=key[-1], number=2))
            await app.settle()
        assert {each.key for each in broker.published if each.key is not None} == {key}
        (body, _) = [json.loads(each.body) for each in broker.published if each.key is not None]
        assert (body["partitionkey"], body["subject"]) == (key, f"order-{key[-1]}")


async def test_events_without_a_receiver_may_be_dropped(here: WriteStore) -> None:
    """With `unroutable="drop"` the relay continues after events without a receiver. They are not sent later."""
    broker = Narrow()
    app = relaying(here, broker, unroutable="drop")
    await app.create_schema()
    async with app:
        await app.dispatch(Sell(order_id="a", number=3))
        await app.settle()
        assert not await app.operations.parked("relay")
        broker.published.clear()
        await broker.declare(FEED)
        await app.dispatch(Sell(order_id="a"))
        await app.settle()
        assert broker.events == [("a", 4)]


async def test_the_checkpoint_is_not_published_while_an_event_is_parked(here: WriteStore, there: WriteStore) -> None:
    """While an event is parked, the relay publishes no progress. Receivers would assume that the event has arrived."""
    broker = Narrow()
    broker.too_large = is_second
    app = relaying(here, broker)
    await app.create_schema()
    async with shipping(there, broker) as depot, app:
        await app.dispatch(Sell(order_id="a"))
        session = app.session()
        await session.dispatch(Sell(order_id="a"))
        await app.settle()
        await app.dispatch(Sell(order_id="b"))
        await settled(app, depot)
        with pytest.raises(ReadNotReady, match=r"depot\.shop"):
            await depot.execute(GetParcel(order_id="a"), after=session.token, timeout=0.3)
        broker.too_large = lambda _: False
        await app.operations.retry("relay", "order-a")
        parcel = await depot.execute(GetParcel(order_id="a"), after=session.token, timeout=CEILING)
        assert parcel is not None
        assert parcel.numbers == (1, 2)


async def test_an_idle_relay_publishes_its_checkpoint_again(
    here: WriteStore, there: WriteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An idle relay publishes its progress again, so that later receivers get it."""
    monkeypatch.setattr(_relay, "_REPEAT", 0.05)
    broker = Narrow()
    async with selling(here, broker) as shop:
        session = shop.session()
        async with shipping(InMemory(), broker) as first:
            await session.dispatch(Sell(order_id="a"))
            await session.dispatch(Rename(order_id="a"))
            assert await first.execute(GetParcel(order_id="a"), after=session.token, timeout=CEILING) is not None
        await shop.settle()
        await broker.delete_consumer("depot.shop")
        async with shipping(there, broker) as second:
            await second.execute(GetParcel(order_id="a"), after=session.token, timeout=CEILING)


async def test_a_relay_that_was_taken_over_publishes_nothing_more(
    here: WriteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay that was taken over publishes no progress, because its successor may be behind it."""
    monkeypatch.setattr(_relay, "_REPEAT", 0.02)
    broker, rounds, wait = Narrow(), 0, Signal.wait

    async def count(signal: Signal, seen: int, seconds: float) -> None:
        nonlocal rounds
        await wait(signal, seen, seconds)
        rounds += seconds == 0.02

    async def after(number: int) -> None:
        wanted = rounds + number
        await until(lambda: rounds >= wanted, "it was to look again whether there is something to say")

    monkeypatch.setattr(Signal, "wait", count)
    await broker.declare(FEED)
    async with selling(here, broker) as shop:
        await shop.dispatch(Sell(order_id="a"))
        await shop.settle()
        await until(lambda: bool(broker.marks), "the relay was to say how far it is")
        assert await here.subscriptions.claim("relay", "another", seconds=600, limit=1, force=True)

        async def stands_by(app: Application = shop) -> bool:
            return (await app.operations.status())[0].state == "standby"

        await until(stands_by, "the relay was to lose its lease")
        await after(2)  # what was under way has ended
        broker.published.clear()
        await after(10)
        assert broker.marks == []


async def test_events_published_ahead_are_dropped_with_their_batch(here: WriteStore) -> None:
    """A relay that loses its lease repeatedly does not accumulate the ids of published events."""
    broker = InMemoryTransport()
    await broker.declare(FEED)
    app = relaying(here, broker)
    async with selling(here, InMemoryTransport(), work=False) as source:
        for order in "abcd":
            await source.dispatch(Sell(order_id=order, number=5))
        page = await here.log.read_all()
        processor = next(each for each in app._assemble().subscriptions if each.kind == "relay").processor

        async def lost(*_: Any) -> None:
            raise CheckpointMoved("another worker was here")

        for stored in page.events:
            event = Sold.model_validate_json(stored.data)
            with pytest.raises(CheckpointMoved):
                await processor.apply([(stored, event)], lost)
        assert len(processor._confirmed) == 1  # type: ignore[attr-defined]
