"""Entries that other programs add to the streams, in forms that no publisher of Twofold uses."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from tests.adapters.redis_streams.lab import FEED, messages, publish, streams
from twofold.testing.conformance._tools.in_time import in_time
from twofold.testing.conformance._tools.transport_opened import taken

Fields = dict[bytes | str, bytes | str]

MALFORMED: dict[str, Fields] = {
    "no body": {"i": "x", "t": "shop.placed"},
    "no topic": {"i": "x", "k": "kx", "b": "b"},
    "other fields": {"a": "1", "b": "2", "c": "3"},
    "another order": {"b": "b", "k": "kx", "t": "shop.placed", "i": "x"},
    "an id that is not UTF-8": {b"i": b"\xff", b"t": b"shop.placed", b"k": b"kx", b"b": b"b"},
    "a key that is not UTF-8": {b"i": b"x", b"t": b"shop.placed", b"k": b"k\xff\xfe", b"b": b"b"},
    "a surrogate": {b"i": b"x", b"t": b"shop.placed", b"k": b"k\xed\xa0\x80", b"b": b"b"},
}


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio; the driver knows no other loop."""
    return "asyncio"


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_entry_is_delivered_and_parked(redis_url: str, new_prefix: object, name: str) -> None:
    """An operator finds the malformed entry, and can requeue or delete it. Later entries are not delayed."""
    prefix = new_prefix()  # type: ignore[operator]
    async with streams(redis_url, prefix=prefix, partitions=1) as transport, Redis.from_url(redis_url) as client:
        await transport.declare(FEED)
        await client.xadd(transport._keys.of(0, "stream"), MALFORMED[name])  # type: ignore[arg-type]
        await publish(transport, messages(2))
        with in_time():
            async with transport.consume(FEED) as consumer:
                bad, *good = await taken(consumer, 3)
                await consumer.accept(good)
                await consumer.park(bad, "malformed")
                (parked,) = await transport.parked("mail")
                assert parked.message == bad.message
                assert await transport.unpark("mail", [parked.message.id], again=True) == 1
                (again,) = await taken(consumer, 1)
                assert again.message == bad.message
                await consumer.accept([again])
        assert await transport.waiting(FEED) == 0
        assert not await transport.parked("mail")
