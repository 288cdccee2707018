"""One stream between a read and its answer: repeated and lost entries do not change the order."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from redis.asyncio import Redis

from tests.adapters.redis_streams.lab import FEED, messages
from twofold.ports import Delivery
from twofold_redis import RedisStreams
from twofold_redis._server.keys import StreamKeys
from twofold_redis._server.server import Argument, Server
from twofold_redis._streams import scripts
from twofold_redis._streams.partition import Partition, Receipt

KEYS = StreamKeys("twofold")
PLENTY = 1_000_000


class Looking:
    """A process that holds the only stream of a transport."""

    def __init__(self, client: Redis) -> None:
        self.server = Server(client)
        self.partition = Partition(KEYS, FEED.consumer, 0, "me")

    async def look(self, limit: int = 100, size: int = PLENTY) -> Sequence[Delivery]:
        """Read until there are entries, and return them."""
        while True:
            (answer,) = await self.server.each([self.partition.next_read(limit, size)], "look")
            answered = self.partition.answered(answer)
            if answered.read:
                return answered.deliveries


@pytest.fixture
async def transport(client: Redis) -> RedisStreams:
    """A transport with one stream and one consumer."""
    transport = RedisStreams(client, partitions=1)
    await transport.open()
    await transport.declare(FEED)
    return transport


@pytest.fixture
async def looking(client: Redis, transport: RedisStreams) -> Looking:
    """A process with the lease of its stream."""
    looking = Looking(client)
    await looking.server.run(scripts.CLAIM, [KEYS.of(0, "lease", FEED.consumer)], ["me", 60_000], "claim")
    return looking


def ids(deliveries: Sequence[Delivery]) -> list[str]:
    """Return the ids of deliveries."""
    return [each.message.id for each in deliveries]


def entry_of(delivery: Delivery) -> str:
    """Return the entry of a delivery."""
    assert isinstance(delivery.receipt, Receipt)
    return delivery.receipt.entry


async def test_a_read_that_is_sent_twice(transport: RedisStreams, looking: Looking) -> None:
    """A client that repeats a read after a lost answer reads nothing more.

    The entries of the first read are delivered next.
    """
    await transport.publisher.publish(messages(3))
    await looking.look(limit=1)
    call = looking.partition.next_read(1, PLENTY)
    _, repeated = await looking.server.each([call, call], "read twice")
    assert ids(looking.partition.answered(repeated).deliveries) == []
    assert ids(await looking.look()) == ["1"]
    assert ids(await looking.look()) == ["2"]


async def test_a_read_is_as_large_as_it_was_asked_to_be(transport: RedisStreams, looking: Looking) -> None:
    """A read is limited by bytes, for new and for pending entries. No entry is left out."""
    sent = [each._replace(body=b"x" * 1_000) for each in messages(40)]
    await transport.publisher.publish(sent)
    for each in (looking, Looking(looking.server._client)):
        found: list[Delivery] = []
        while len(found) < 40:
            some = await each.look(size=2_500)
            assert 1 <= len(some) <= 4
            found += some
        assert ids(found) == [each.id for each in sent]


async def test_more_comes_again_than_lua_takes_at_a_time(transport: RedisStreams, looking: Looking) -> None:
    """Nine thousand pending entries are read again, if need be in one step."""
    sent = messages(9_000)
    for start in range(0, len(sent), 1_000):
        await transport.publisher.publish(sent[start : start + 1_000])
    while len(looking.partition.unsettled) < len(sent):
        await looking.look(limit=1_000)
    heir = Looking(looking.server._client)
    assert ids(await heir.look(limit=20_000)) == [each.id for each in sent]


async def test_an_entry_that_the_stream_has_lost(transport: RedisStreams, looking: Looking, client: Redis) -> None:
    """A deleted pending entry is reported and no longer awaited. The other entries are delivered."""
    await transport.publisher.publish(messages(3))
    found = await looking.look()
    await client.xdel(KEYS.of(0, "stream"), entry_of(found[1]))
    heir = Looking(looking.server._client)
    (pending,) = await heir.server.each([heir.partition.next_read(100, PLENTY)], "look")
    heir.partition.answered(pending)
    (answer,) = await heir.server.each([heir.partition.next_read(100, PLENTY)], "look")
    answered = heir.partition.answered(answer)
    assert ids(answered.deliveries) == ["0", "2"]
    assert list(answered.missing) == [entry_of(found[1])]
    assert await transport.waiting(FEED) == 2
    assert ids(await heir.look()) == []


async def test_nothing_is_parked_twice(transport: RedisStreams, looking: Looking) -> None:
    """A client that repeats the parking of a message that was dropped in between does not restore it."""
    await transport.publisher.publish(messages(1))
    (found,) = await looking.look()
    keys = [KEYS.of(0, *name) for name in (("lease", "mail"), ("stream",), ("parked", "mail"))]
    arguments: list[Argument] = ["me", "mail", entry_of(found), "0", "shop.placed", "kk0", b"{}", "bad"]
    for known in (1, 0):
        await looking.server.run(scripts.PARK, keys, arguments, "park")
        assert len(await transport.parked("mail")) == known
        assert await transport.unpark("mail", ["0"], again=False) == known


async def test_pending_entries_are_not_trimmed(transport: RedisStreams, looking: Looking) -> None:
    """An entry that was handed out and is not settled stays in the stream, however far all groups have read."""
    sent = messages(1_000)
    await transport.publisher.publish(sent)
    found = await looking.look(limit=1_000)
    heir = Looking(looking.server._client)
    for settled in (300, 700):
        lease, stream = KEYS.of(0, "lease", "mail"), KEYS.of(0, "stream")
        accepted = [entry_of(each) for each in found[settled - 300 : settled]]
        await looking.server.run(scripts.ACCEPT, [lease, stream], ["me", "mail", *accepted], "accept")
        await looking.server.run(scripts.TRIM, [stream, KEYS.of(0, "feeds")], [], "trim")
    again = await heir.look(limit=1_000)
    assert [each.message.id for each in again] == [str(n) for n in range(1_000) if not (n < 300 or 400 <= n < 700)]
