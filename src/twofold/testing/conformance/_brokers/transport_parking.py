"""Messages that are set aside: kept with their reason, delivered no more, and taken out again."""

from __future__ import annotations

from twofold.ports import ParkedDelivery

from .._tools.transport_opened import NewBroker, accepted, contents, feed, left, message, messages, publish, taken

REASON = "ValueError: naïve ☕\n'quoted' \\ {braces}"


class ParkingCases:
    """What a consumer sets aside, and what becomes of it."""

    poison = 50
    """Among how many open messages one is parked."""

    async def test_exactly_the_poison_message_is_parked(self, new_broker: NewBroker) -> None:
        """One of many open messages is set aside with its reason; the others are settled as they would be anyway."""
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
        """Oldest first, for each consumer its own, and none where nothing was parked."""
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

    async def test_a_parked_message_is_delivered_again(self, new_broker: NewBroker) -> None:
        """Taken out, it comes to the consumer that parked it, and to no other; what is not named stays."""
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
        """Taken out without being wanted again, it is gone."""
        async with new_broker() as connect:
            transport = await connect()
            sent = messages(3)
            await transport.declare(feed())
            await publish(transport, *sent)
            async with transport.consume(feed()) as consumer:
                for each in await taken(consumer, 3):
                    await consumer.park(each, REASON)
            assert await transport.unpark("mail", [], again=False) == 0
            assert await transport.unpark("mail", [sent[0].id, sent[2].id], again=False) == 2
            assert list(await transport.parked("mail")) == [ParkedDelivery(sent[1], REASON)]
            assert await left(transport, feed()) == []

    async def test_a_message_for_every_partition_comes_again_once(self, new_broker: NewBroker) -> None:
        """A message for every partition that several have parked comes again to these at most, and to none of them twice."""
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
