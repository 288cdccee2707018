"""Parked messages (dead letters): stored with a reason, not delivered, and requeued or dropped on request."""

from __future__ import annotations

import anyio

from twofold.ports import ParkedDelivery, Transport, WireMessage

from .._tools.in_time import in_time, until
from .._tools.logged import logged
from .._tools.transport_opened import NewBroker, accepted, contents, feed, left, message, messages, publish, taken

REASON = "ValueError: naïve ☕\n'quoted' \\ {braces}"


class ParkingCases:
    """The cases of `TransportSuite` about parked messages."""

    poison = 50
    """The number of open messages, of which one is parked."""

    async def test_exactly_the_poison_message_is_parked(self, new_broker: NewBroker) -> None:
        """One of many open messages is parked with its reason. The others can still be accepted or redelivered."""
        async with new_broker() as connect:
            transport = await connect()
            sent = messages(self.poison)
            bad = sent[self.poison // 3]
            await transport.declare(feed())
            await publish(transport, *sent)
            async with transport.consume(feed()) as consumer:
                found = await taken(consumer, self.poison)
                await consumer.park(found[sent.index(bad)], REASON)
                good = [each for each in found if each.message != bad]
                await consumer.accept(good[::2])
            async with transport.consume(feed()) as consumer:
                assert await accepted(consumer, len(good[1::2])) == contents(good[1::2])
            assert list(await (await connect()).parked("mail")) == [ParkedDelivery(bad, REASON)]
            assert await left(transport, feed()) == []
            assert await transport.waiting(feed()) == 0

    async def test_parked_messages_are_listed(self, new_broker: NewBroker) -> None:
        """Parked messages are listed per consumer, the oldest first. Other consumers have none."""
        async with new_broker() as connect:
            transport = await connect()
            for name in ("a", "b"):
                await transport.declare(feed(name))
            sent = [message("ü☕", key=f"k{number}") for number in range(5)]
            await publish(transport, *sent)
            async with transport.consume(feed("a")) as consumer:
                found = {each.message: each for each in await taken(consumer, 5)}
                for number, each in enumerate(sent):
                    await consumer.park(found[each], f"{number}")
            assert list(await transport.parked("a")) == [ParkedDelivery(each, f"{n}") for n, each in enumerate(sent)]
            assert list(await transport.parked("b")) == []
            assert list(await transport.parked("nobody")) == []
            async with transport.consume(feed("b")) as consumer:
                assert sorted(await accepted(consumer, 5), key=sent.index) == sent

    async def test_parked_messages_are_counted(self, new_broker: NewBroker) -> None:
        """The number of parked messages is that of the broker now, in every process, and per consumer."""
        async with new_broker() as connect:
            transport, other = await connect(), await connect()
            sent = messages(5)
            for name in ("a", "b"):
                await transport.declare(feed(name))
            await publish(transport, *sent)
            assert await transport.parked_count("a") == 0
            async with transport.consume(feed("a")) as consumer:
                await consumer.park_all([(each, REASON) for each in await taken(consumer, len(sent))])
            for each in (transport, other, await connect()):
                assert await each.parked_count("a") == len(sent)
                assert await each.parked_count("b") == await each.parked_count("nobody") == 0
            await other.unpark("a", [sent[0].id], again=True)
            await transport.unpark("a", [sent[1].id, sent[2].id], again=False)
            for each in (transport, other, await connect()):
                assert await each.parked_count("a") == len(sent) - 3
            await transport.unpark("a", [each.id for each in sent], again=False)
            assert await other.parked_count("a") == 0

    async def test_a_parked_message_is_delivered_again(self, new_broker: NewBroker) -> None:
        """A requeued message is delivered to the consumer that parked it, and to no other.

        Other parked messages stay.
        """
        async with new_broker() as connect:
            transport = await connect()
            for name in ("a", "b"):
                await transport.declare(feed(name))
            first, second = messages(2)
            await publish(transport, first, second)
            async with transport.consume(feed("a")) as consumer:
                for each in await taken(consumer, 2):
                    await consumer.park(each, REASON)
            async with transport.consume(feed("b")) as consumer:
                assert await accepted(consumer, 2) == [first, second]
            assert await transport.unpark("a", [first.id, "unknown"], again=True) == 1
            assert list(await transport.parked("a")) == [ParkedDelivery(second, REASON)]
            assert await transport.unpark("a", [first.id], again=True) == 0
            assert await transport.unpark("nobody", [second.id], again=True) == 0
            async with transport.consume(feed("a")) as consumer:
                assert await accepted(consumer, 1) == [first]
            assert await left(transport, feed("b")) == []

    async def test_a_parked_message_is_dropped(self, new_broker: NewBroker) -> None:
        """A dropped message is neither parked nor delivered again. A warning logs its id, and not its content."""
        async with new_broker() as connect:
            transport = await connect()
            sent = messages(3)
            await transport.declare(feed())
            await publish(transport, *sent)
            async with transport.consume(feed()) as consumer:
                for each in await taken(consumer, 3):
                    await consumer.park(each, REASON)
            with logged("twofold.operations") as lines:
                assert await transport.unpark("mail", [], again=False) == 0
                assert await transport.unpark("mail", [sent[0].id, sent[2].id], again=False) == 2
            assert lines == [
                f"WARNING: mail: an operator dropped 2 parked message(s) of the ids {sent[0].id!r}, {sent[2].id!r}"
            ]
            assert list(await transport.parked("mail")) == [ParkedDelivery(sent[1], REASON)]
            assert await left(transport, feed()) == []

    async def test_a_message_for_every_partition_comes_again_once(self, new_broker: NewBroker) -> None:
        """A requeued message without a key reaches only partitions that parked it.

        Each of these partitions receives it at most once.
        """
        async with new_broker() as connect:
            transport = await connect()
            wanted = feed(partitions=3)
            partitions = transport.partitions(wanted)
            everyone, last = message("for all", key=None), message("the last one", key=None)
            async with transport.consume(wanted) as consumer:
                await publish(transport, everyone)
                found = await taken(consumer, partitions)
                mine = {each.partition for each in found[:2]}
                for each in found[:2]:
                    await consumer.park(each, REASON)
                await consumer.accept(found[2:])
                assert await transport.unpark("mail", [everyone.id], again=True) >= 1
                await publish(transport, last)
                again: list[int] = []
                while partitions:
                    for each in await taken(consumer, 1):
                        await consumer.accept([each])
                        if each.message == last:
                            partitions -= 1
                        else:
                            again.append(each.partition)
            assert again
            assert len(set(again)) == len(again)
            assert set(again) <= mine

    async def test_messages_are_parked_in_one_call(self, new_broker: NewBroker) -> None:
        """One call parks many messages in order, each with its reason.

        Messages of several senders can have the same id.
        """
        async with new_broker() as connect:
            transport = await connect()
            sent = [message(str(number))._replace(id=f"m{number % 7}") for number in range(30)]
            await transport.declare(feed())
            await publish(transport, *sent)
            async with transport.consume(feed()) as consumer:
                found = await taken(consumer, len(sent))
                await consumer.park_all([(each, f"{REASON} {each.message.body!r} \ud800") for each in found[:20]])
                await consumer.park_all([(each, REASON) for each in found[20:]])
            assert [each.message for each in await transport.parked("mail")] == sent
            assert await transport.waiting(feed()) == 0
            assert await transport.unpark("mail", ["m1"], again=True) == len([each for each in sent if each.id == "m1"])
            assert await left(transport, feed()) == [each for each in sent if each.id == "m1"]
            assert [each.message for each in await transport.parked("mail")] == [
                each for each in sent if each.id != "m1"
            ]

    async def test_operators_see_all_parked_messages_at_the_same_time(self, new_broker: NewBroker) -> None:
        """Reading parked messages neither removes them nor hides them from another operator."""
        async with new_broker() as connect:
            transport, other = await connect(), await connect()
            sent = messages(20)
            await transport.declare(feed())
            await publish(transport, *sent)
            async with transport.consume(feed()) as consumer:
                await consumer.park_all([(each, REASON) for each in await taken(consumer, len(sent))])
            with in_time():
                for _ in range(3):
                    seen: list[list[WireMessage]] = []

                    async def look(operator: Transport, seen: list[list[WireMessage]] = seen) -> None:
                        seen.append([each.message for each in await operator.parked("mail")])

                    async with anyio.create_task_group() as operators:
                        for operator in (transport, other, transport):
                            operators.start_soon(look, operator)
                    assert seen == [sent] * 3

    async def test_a_requeued_message_that_is_parked_again_is_kept(self, new_broker: NewBroker) -> None:
        """Requeued messages that are parked again while others are still requeued are all stored exactly once."""
        async with new_broker() as connect:
            transport = await connect()
            sent = messages(self.poison)
            await transport.declare(feed())
            await publish(transport, *sent)
            names = [each.id for each in sent]
            async with transport.consume(feed()) as consumer, anyio.create_task_group() as working:
                parked: list[str] = []

                async def refuse() -> None:
                    while True:
                        refused = [(each, REASON) for each in await consumer.receive()]
                        await consumer.park_all(refused)
                        parked.extend(each.message.id for each, _ in refused)

                working.start_soon(refuse)
                await until(lambda: len(parked) == len(sent), "every message was to be parked")
                assert await transport.unpark("mail", names, again=True) == len(sent)
                await until(lambda: len(parked) == 2 * len(sent), "every message was to be parked again")
                working.cancel_scope.cancel()
            assert sorted(each.message for each in await transport.parked("mail")) == sorted(sent)
            assert await left(transport, feed()) == []
