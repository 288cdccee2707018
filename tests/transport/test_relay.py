"""Events leave through the relay, in order, once the broker has confirmed them, and are recorded once on the other side."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.domains.shops import GetParcel, Rename, Sell, Sold, selling, settled, shipping
from tests.domains.shops import shop as shop_module
from twofold import Application, Retry
from twofold.errors import ForeignLog, ReadNotReady, TransientFailure
from twofold.ports import Feed, Outcome, Transport, WireMessage, WriteStore
from twofold.testing.conformance._tools.in_time import CEILING, until
from twofold.testing.conformance._tools.watched import BEFORE_COMMIT, watched
from twofold_memory import InMemory, InMemoryTransport


class Faulty(InMemoryTransport):
    """A broker that does what a test says with each message, before or instead of what it should do."""

    trouble: str | None = None  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.published: list[WireMessage] = []
        self.outcomes: list[Outcome] = []
        """What becomes of the next events; confirmed when there is nothing here."""
        self.loses_answers = False
        """Whether what is not confirmed has arrived all the same."""

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        """Publish with the outcomes that the test wants."""
        answers: list[Outcome] = []
        stopped: set[str | None] = set()
        for message in messages:
            if message.key in stopped:
                answers.append(Outcome.UNSENT)
                continue
            outcome = self.outcomes.pop(0) if self.outcomes and message.key is not None else Outcome.CONFIRMED
            if outcome is Outcome.CONFIRMED or self.loses_answers:
                self.published.append(message)
                outcomes = await super().publish([message])
                outcome = outcomes[0] if outcome is Outcome.CONFIRMED else outcome
            answers.append(outcome)
            if outcome is not Outcome.CONFIRMED:
                stopped.add(message.key)
        return answers


async def numbers(app: Application, order: str) -> tuple[int, ...]:
    """Return what the depot has heard of an order."""
    parcel = await app.execute(GetParcel(order_id=order))
    return parcel.numbers if parcel else ()


async def test_what_is_sold_here_is_projected_there(here: WriteStore, there: WriteStore, broker: Transport) -> None:
    """Every event arrives once, those of a stream in order, whoever started first."""
    async with shipping(there, broker) as depot, selling(here, broker) as shop:
        for order in ("a", "b", "c"):
            await shop.dispatch(Sell(order_id=order, number=25))
        await settled(shop, depot)
        for order in ("a", "b", "c"):
            assert await numbers(depot, order) == tuple(range(1, 26))


async def test_a_token_of_there_is_waited_for_here(here: WriteStore, there: WriteStore, broker: Transport) -> None:
    """A session with the token of the other application sees what that one wrote, also when nothing of it is relayed."""
    async with shipping(there, broker) as depot, selling(here, broker) as shop:
        for number in range(1, 21):
            async with shop.session() as mine:
                await mine.dispatch(Sell(order_id="a"))
                await mine.dispatch(Rename(order_id="a"))
                theirs = depot.session(mine.token)
                parcel = await theirs.execute(GetParcel(order_id="a"))
                assert parcel is not None
                assert parcel.numbers == tuple(range(1, number + 1))


async def test_a_token_of_there_goes_on_with_a_session(here: WriteStore, there: WriteStore, broker: Transport) -> None:
    """What a session waits for travels in its own token, before it has arrived and after."""
    async with shipping(there, broker) as depot, selling(here, broker) as shop:
        async with shop.session() as mine:
            await mine.dispatch(Sell(order_id="a"))
        first = depot.session(mine.token)
        second = depot.session(first.token)
        assert await second.execute(GetParcel(order_id="a")) is not None
        third = depot.session(second.token)
        assert await third.execute(GetParcel(order_id="a")) is not None
        assert mine.token not in second.token


async def test_what_has_not_arrived_is_said_to_be_missing(here: WriteStore, there: WriteStore) -> None:
    """While the broker takes nothing, a query with the token times out, refuses at once, or answers with a mark."""
    broker = Faulty()
    async with shipping(there, broker) as depot, selling(here, broker) as shop:
        await shop.dispatch(Sell(order_id="a"))
        await settled(shop, depot)
        broker.outcomes = [Outcome.UNKNOWN] * 10_000
        async with shop.session() as mine:
            await mine.dispatch(Sell(order_id="a"))
        theirs = depot.session(mine.token)
        with pytest.raises(ReadNotReady, match=r"depot\.shop"):
            await theirs.execute(GetParcel(order_id="a"), timeout=0.05)
        with pytest.raises(ReadNotReady, match=r"depot\.shop"):
            await theirs.execute(GetParcel(order_id="a"), timeout=0)
        answer = await theirs.execute_stale(GetParcel(order_id="a"))
        assert (answer.value.numbers if answer.value else None, answer.lag) == ((1,), None)
        broker.outcomes = []
        parcel = await theirs.execute(GetParcel(order_id="a"), timeout=CEILING)
        assert parcel is not None
        assert parcel.numbers == (1, 2)


async def test_a_token_of_an_unknown_log_is_refused(here: WriteStore, there: WriteStore, broker: Transport) -> None:
    """Where all sources are known and none has that log, there is nothing to wait for."""
    async with shipping(there, broker) as depot, selling(here, broker) as shop:
        await shop.dispatch(Sell(order_id="a"))
        async with shop.session() as mine:
            await mine.dispatch(Sell(order_id="a"))
        assert await depot.execute(GetParcel(order_id="a"), after=mine.token) is not None
        async with selling(InMemory(), InMemoryTransport()) as other, other.session() as unknown:
            await unknown.dispatch(Sell(order_id="a"))
        with pytest.raises(ForeignLog, match=r"no application whose events are received here \(depot\.shop\)"):
            await depot.execute(GetParcel(order_id="a"), after=unknown.token)
        with pytest.raises(ForeignLog):
            shop.session(unknown.token)


@pytest.mark.parametrize("arrives", [False, True], ids=["lost", "answer lost"])
async def test_what_is_unknown_is_published_again(here: WriteStore, there: WriteStore, arrives: bool) -> None:
    """An outcome that is not known is no success: nothing is lost, nothing is doubled, and health says why it waits."""
    broker = Faulty()
    async with shipping(there, broker) as depot, selling(here, broker) as shop:
        broker.loses_answers = arrives
        broker.outcomes = [Outcome.CONFIRMED, Outcome.UNKNOWN, Outcome.CONFIRMED, Outcome.UNKNOWN] * 4
        for order in ("a", "b", "c"):
            await shop.dispatch(Sell(order_id=order, number=10))
        await settled(shop, depot)
        for order in ("a", "b", "c"):
            assert await numbers(depot, order) == tuple(range(1, 11))


async def test_health_says_that_the_broker_does_not_confirm(here: WriteStore) -> None:
    """A relay that waits for its broker is failing, with the reason, and parks nothing."""
    broker = Faulty()
    async with selling(here, broker) as shop:
        await broker.declare(Feed(consumer="depot.shop", topics=("shop.sold",)))
        broker.outcomes, broker.trouble = [Outcome.UNKNOWN] * 10_000, "the disk is full"
        await shop.dispatch(Sell(order_id="a"))

        async def something_is_wrong() -> bool:
            return bool((await shop.health()).problems)

        await until(something_is_wrong, "health was to name a problem")
        problems = (await shop.health()).problems
        assert "the broker did not confirm it (the disk is full). The relay retries." in problems[0]
        broker.outcomes = []
        await shop.settle()
        assert (await shop.health()).healthy
        assert not await shop.operations.parked("relay")


async def test_an_event_without_a_receiver_is_parked_and_can_be_retried(here: WriteStore, there: WriteStore) -> None:
    """Unroutable is an error: the events of the key are kept in order, and go out when there is a receiver."""
    broker = InMemoryTransport()
    app = Application("shop", write=here, transport=broker)
    app.include(shop_module)
    app.relay(Sold, retry=Retry(attempts=1))
    await app.create_schema()
    async with app:
        await app.dispatch(Sell(order_id="a", number=3))
        await app.settle()
        parked = await app.operations.parked("relay")
        assert [each.attempts for each in parked] == [1, 0, 0]
        assert "the broker has no receiver for it" in parked[0].reason
        async with shipping(there, broker) as depot:
            assert not await app.operations.retry("relay", parked[0].key)
            await settled(app, depot)
            assert await numbers(depot, "a") == (1, 2, 3)


async def test_events_of_others_are_not_passed_on(here: WriteStore, there: WriteStore, broker: Transport) -> None:
    """Two applications that relay and consume the same event do not send it back and forth."""
    async with shipping(there, broker) as depot:
        app = Application("echo", write=here, transport=broker)
        app.consume(Sold, source="shop")
        app.relay(Sold)
        await app.create_schema()
        async with app, selling(InMemory(), broker) as shop:
            await shop.dispatch(Sell(order_id="a", number=3))
            await settled(shop, app, depot)
            assert await numbers(depot, "a") == (1, 2, 3)
            status: dict[str, Any] = {each.name: each.lag for each in await app.operations.status()}
            assert status == {"relay": 0}


async def test_a_message_that_is_no_event_is_parked(here: WriteStore, there: WriteStore, broker: Transport) -> None:
    """What cannot be read is set aside at the broker, health says so, and the others go on."""
    async with shipping(there, broker) as depot, selling(here, broker) as shop:
        await broker.publisher.publish([WireMessage("x", "shop.sold", "a", b"not an event")])
        await shop.dispatch(Sell(order_id="a"))
        await settled(shop, depot)
        assert await numbers(depot, "a") == (1,)
        (parked,) = await broker.parked("depot.shop")
        assert (parked.message.id, parked.message.body) == ("x", b"not an event")
        assert "cannot decode b'not an event' as a CloudEvent" in parked.reason
        assert any("has parked 1 message" in problem for problem in (await depot.health()).problems)


async def test_a_message_is_parked_once_however_often_the_store_is_away(here: WriteStore, there: WriteStore) -> None:
    """That what came with it could not be recorded at once is no reason to count or keep it twice."""
    broker, away = Faulty(), 3

    async def fail(point: str, about: str) -> None:
        nonlocal away
        if point == BEFORE_COMMIT and about.startswith("depot.shop.") and away:
            away -= 1
            raise TransientFailure("away")

    async with shipping(watched(there, fail), broker) as depot, selling(here, broker) as shop:
        await broker.publisher.publish([WireMessage("x", "shop.sold", "a", b"not an event")])
        await shop.dispatch(Sell(order_id="a"))
        await settled(shop, depot)
        assert not away
        assert len(await broker.parked("depot.shop")) == 1
        assert any("has parked 1 message" in problem for problem in (await depot.health()).problems)


async def test_a_message_that_the_inbox_has_forgotten_is_recognised_by_the_log(
    here: WriteStore, there: WriteStore
) -> None:
    """Records are kept for a while; an event that comes again after that is still not recorded twice."""
    broker = Faulty()
    async with shipping(there, broker) as depot, selling(here, broker) as shop:
        await shop.dispatch(Sell(order_id="a", number=3))
        await settled(shop, depot)
        assert await depot.operations.delete_records(older_than=timedelta(0)) >= 3
        events = [message for message in broker.published if message.key is not None]
        await broker.publish(events)
        await shop.dispatch(Sell(order_id="a"))
        await settled(shop, depot)
        assert await numbers(depot, "a") == (1, 2, 3, 4)
