"""Parked events that an earlier release has written, which did not keep the order of all keys in one set."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from redis.asyncio import Redis as Client

from twofold.ports import ParkedEvent, Position, StoredEvent
from twofold_redis import Redis

TIME = datetime(2026, 11, 30, tzinfo=UTC)
NAME = "mail"
EVENTS = [
    ParkedEvent(
        StoredEvent(UUID(int=at), "placed", 1, "{}", "{}", TIME, "s", at, Position(at)), "ab"[at % 2], "E: x", 1, TIME
    )
    for at in range(1, 7)
]


async def write(store: Redis, *parked: ParkedEvent, gone: tuple[ParkedEvent, ...] = ()) -> None:
    """Commit removed and added events."""
    transaction = await store.begin()
    await transaction.parked.remove(NAME, [each.event.position for each in gone])
    await transaction.parked.add(NAME, parked)
    await transaction.commit()


async def pages(store: Redis, key: str | None) -> list[ParkedEvent]:
    """Return all events in pages of one event."""
    found, after = list[ParkedEvent](), None
    while page := await store.parked.read(NAME, key=key, after=after, limit=1):
        found += page
        after = page[-1].event.position
        assert len(found) <= len(EVENTS)
    return found


@pytest.mark.parametrize("key", [None, "a", "b"])
@pytest.mark.parametrize("change", ["nothing", "added", "removed", "exchanged", "parked again"])
async def test_events_of_an_earlier_release_are_read(
    client: Client, store: Redis, prefix: str, key: str | None, change: str
) -> None:
    """Events that an earlier release has parked, removed or replaced are read once each, in the order of parking."""
    numbers, first, last = f"{{{prefix}}}:parked:{NAME}:numbers", EVENTS[0], EVENTS[-1]
    await write(store, *EVENTS[:-1])
    kept = await client.dump(numbers)
    assert kept is not None
    expected = EVENTS[:-1]
    if change in ("removed", "exchanged"):
        await write(store, gone=(first,))
        expected = expected[1:]
    if change in ("added", "exchanged"):
        await write(store, last)
        expected = [*expected, last]
    if change == "parked again":
        await write(store, gone=(first,))
        await write(store, first)
        expected = [*expected[1:], first]
    await client.delete(numbers)
    if change != "nothing":
        await client.restore(numbers, 0, kept)  # the earlier release does not change this key
    assert await pages(store, key) == [each for each in expected if key in (None, each.key)]
    assert await store.parked.read(NAME) == expected
