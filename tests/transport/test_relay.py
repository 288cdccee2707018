"""Events leave through the relay, in order, once the broker has confirmed them, and are recorded once on the other side."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.domains.shops import GetParcel, Rename, Sell, Sold, selling, settled, shipping
from tests.domains.shops import shop as shop_module
from twofold import Application, Retry
from twofold._integration.cloud_events import Progress, encode_progress
from twofold.errors import ForeignLog, NotPublished, ReadNotReady, TransientFailure
from twofold.ports import Checkpoint, Feed, Outcome, Position, Transport, WireMessage, WriteStore
from twofold.testing.conformance._tools.in_time import CEILING, until
from twofold.testing.conformance._tools.problems import problems_of
from twofold.testing.conformance._tools.watched import BEFORE_COMMIT, watched
from twofold_memory import InMemory, InMemoryTransport


class Faulty(InMemoryTransport):
    """A broker with a scripted outcome for each message, before or instead of publishing it."""

    problem: str | None = None  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.published: list[WireMessage] = []
        self.outcomes: list[Outcome] = []
        """The outcomes of the next events; confirmed if there are none."""
        self.loses_answers = False
        """Whether unconfirmed messages were still published."""

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


class Forgetful(InMemoryTransport):
    """A broker that loses messages although it has confirmed them, and then knows that it may have lost some."""

    def __init__(self) -> None:
        super().__init__()
        self.loses = False
        """Whether messages are confirmed and lost."""
        self.behind = False
        self._marks: dict[str, bytes] = {}

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        """Publish, confirm and lose, or refuse."""
        if self.behind:
            return [Outcome.BEHIND] * len(messages)
        if self.loses:
            return [Outcome.CONFIRMED] * len(messages)
        self._marks.update({each.topic: each.body for each in messages if each.key is None})
        return await super().publish(messages)

    def report(self, checkpoint: Checkpoint) -> None:
        """Have this report of the shop's relay, and not the last one."""
        body = encode_progress(Progress("shop", checkpoint), id=uuid4(), time=datetime.now(UTC))
        self._marks = {"twofold.progress.shop": body}

    async def kept(self, topic: str) -> Sequence[bytes]:
        """Return the last message without a key."""
        return [self._marks[topic]] if topic in self._marks else []

    async def resume(self, topic: str) -> None:
        """Accept messages again."""
        self.behind = False


async def numbers(app: Application, order: str) -> tuple[int, ...]:
    """Return the sales of an order that the depot has received."""
    parcel = await app.execute(GetParcel(order_id=order))
    return parcel.numbers if parcel else ()


async def test_a_relayed_event_is_projected_by_the_receiver(
    here: WriteStore, there: WriteStore, broker: Transport
) -> None:
    """Every event arrives once, in the order of its stream, whichever application starts first."""
    async with shipping(there, broker) as depot, selling(here, broker) as shop:
        for order in ("a", "b", "c"):
            await shop.dispatch(Sell(order_id=order, number=25))
        await settled(shop, depot)
        for order in ("a", "b", "c"):
            assert await numbers(depot, order) == tuple(range(1, 26))


async def test_what_the_broker_has_lost_is_published_again(here: WriteStore, there: WriteStore) -> None:
    """Events that the broker confirmed and lost arrive once, in order, before later ones."""
    broker = Forgetful()
    async with shipping(there, broker) as depot, selling(here, broker) as shop:
        await shop.dispatch(Sell(order_id="a", number=3))
        await settled(shop, depot)
        broker.loses = True
        await shop.dispatch(Sell(order_id="a", number=4))
        await shop.settle(timeout=CEILING)
        broker.loses, broker.behind = False, True
        async with shop.session() as mine:
            await mine.dispatch(Sell(order_id="a"))
            parcel = await depot.session(mine.token).execute(GetParcel(order_id="a"), timeout=CEILING)
        assert parcel is not None
        assert parcel.numbers == tuple(range(1, 9))
        assert (await shop.health()).healthy


async def test_the_relay_waits_for_an_operator_if_both_servers_have_lost_events(
    here: WriteStore, there: WriteStore
) -> None:
    """A report of an event that the log does not have is a problem, until an operator moves the relay back."""
    broker = Forgetful()
    async with shipping(there, broker) as depot, selling(here, broker) as shop:
        await shop.dispatch(Sell(order_id="a", number=3))
        await settled(shop, depot)
        broker.report(Checkpoint(Position(2), await here.log.identity(), event=uuid4()))
        broker.behind = True

        async def reported() -> bool:
            return "broker_lost_events" in {each.code for each in (await shop.health()).problems}

        await until(reported, "the loss was to be reported")
        await shop.operations.replay("relay", after=1)
        await shop.dispatch(Sell(order_id="a"))
        await settled(shop, depot)
        assert await numbers(depot, "a") == (1, 2, 3, 4)
        assert (await shop.health()).healthy


async def test_a_token_of_there_is_waited_for_here(here: WriteStore, there: WriteStore, broker: Transport) -> None:
    """A session with the token of the other application sees its writes, even if none of them is relayed."""
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
    """The token of a session contains the writes that it waits for, before and after their arrival."""
    async with shipping(there, broker) as depot, selling(here, broker) as shop:
        async with shop.session() as mine:
            await mine.dispatch(Sell(order_id="a"))
        first = depot.session(mine.token)
        second = depot.session(first.token)
        assert await second.execute(GetParcel(order_id="a")) is not None
        third = depot.session(second.token)
        assert await third.execute(GetParcel(order_id="a")) is not None
        assert mine.token not in second.token


async def test_events_that_have_not_arrived_are_reported(here: WriteStore, there: WriteStore) -> None:
    """While the broker confirms nothing, a query with the token times out, fails immediately, or returns a stale answer."""
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
async def test_a_message_with_an_unknown_outcome_is_published_again(
    here: WriteStore, there: WriteStore, arrives: bool
) -> None:
    """Unconfirmed messages are sent again, and order per key is kept."""
    broker = Faulty()
    async with shipping(there, broker) as depot, selling(here, broker) as shop:
        broker.loses_answers = arrives
        broker.outcomes = [Outcome.CONFIRMED, Outcome.UNKNOWN, Outcome.CONFIRMED, Outcome.UNKNOWN] * 4
        for order in ("a", "b", "c"):
            await shop.dispatch(Sell(order_id=order, number=10))
        await settled(shop, depot)
        for order in ("a", "b", "c"):
            assert await numbers(depot, order) == tuple(range(1, 11))


async def test_health_reports_a_broker_that_does_not_confirm(here: WriteStore) -> None:
    """A relay that waits for its broker is failing, with the reason, and parks nothing."""
    broker = Faulty()
    async with selling(here, broker) as shop:
        await broker.declare(Feed(consumer="depot.shop", topics=("shop.sold",)))
        broker.outcomes, broker.problem = [Outcome.UNKNOWN] * 10_000, "the disk is full"
        await shop.dispatch(Sell(order_id="a"))

        async def something_is_wrong() -> bool:
            return bool(await problems_of(shop))

        await until(something_is_wrong, "health was to name a problem")
        problems = await problems_of(shop)
        assert "the broker did not confirm it (the disk is full). The relay retries." in problems[0]
        broker.outcomes = []
        await shop.settle()
        assert (await shop.health()).healthy
        assert not await shop.operations.parked("relay")


async def test_an_event_without_a_receiver_is_parked_and_can_be_retried(here: WriteStore, there: WriteStore) -> None:
    """An unroutable event is an error: the events of its key are parked in order and sent when there is a receiver."""
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


async def test_the_class_of_the_error_decides_for_the_relay(here: WriteStore, there: WriteStore) -> None:
    """The relay skips or parks an unroutable event by the class of its error. A skipped event is never published."""
    for retry, attempts, skipped in (
        (Retry(attempts=9, delay=3600, longest=3600, park_on=NotPublished), [1, 0, 0], 0),
        (Retry(attempts=9, delay=3600, longest=3600, skip_on=NotPublished), [], 3),
    ):
        broker = InMemoryTransport()
        app = Application("shop", write=here, transport=broker)
        app.include(shop_module)
        app.relay(Sold, name=f"relay {skipped}", retry=retry)
        await app.create_schema()
        async with app:
            await app.dispatch(Sell(order_id=f"a{skipped}", number=3))
            await app.settle()
            assert [each.attempts for each in await app.operations.parked(f"relay {skipped}")] == attempts
            (status,) = await app.operations.status()
            assert (status.lag, status.skipped) == (0, skipped)


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
    """An undecodable message is parked at the broker, and health reports it. Other messages continue."""
    async with shipping(there, broker) as depot, selling(here, broker) as shop:
        await broker.publisher.publish([WireMessage("x", "shop.sold", "a", b"not an event")])
        await shop.dispatch(Sell(order_id="a"))
        await settled(shop, depot)
        assert await numbers(depot, "a") == (1,)
        (parked,) = await broker.parked("depot.shop")
        assert (parked.message.id, parked.message.body) == ("x", b"not an event")
        assert "cannot decode a message of 12 bytes as a CloudEvent" in parked.reason
        assert any("has parked 1 message" in problem for problem in await problems_of(depot))


async def test_a_message_is_parked_once_however_often_the_store_is_away(here: WriteStore, there: WriteStore) -> None:
    """A message is parked and counted once, even if the store fails while the messages beside it are recorded."""
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
        assert any("has parked 1 message" in problem for problem in await problems_of(depot))


async def test_a_message_that_left_the_inbox_is_recognised_by_the_log(here: WriteStore, there: WriteStore) -> None:
    """A redelivered event whose inbox record was deleted is not recorded again."""
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
