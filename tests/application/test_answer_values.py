"""Answers and results come back unchanged through the cache and from another process, or are not cached, or are refused."""

from __future__ import annotations

from typing import Any

import pytest

from twofold import RemoteCommandBus
from twofold.errors import NotStorable, RemoteFailure
from twofold.testing.conformance._domain.value_classes import application, families
from twofold.testing.conformance._domain.value_samples import samples
from twofold.testing.conformance._domain.value_ways import accepted, named, same
from twofold_memory import InMemory, InMemoryCache, InMemoryTransport


@pytest.fixture
def anyio_backend() -> str:
    """Run in memory: the suites of caches and brokers send the same values over each adapter."""
    return "asyncio"


async def test_cached_answers() -> None:
    """A repeated query gets an equal answer, from the cache if the answer comes back from JSON."""
    async with application(InMemory(), {}, cache=InMemoryCache()) as app:
        for number, sample in enumerate(samples()):
            before = app.operations.cache_stats()
            for _ in range(2):
                found = await app.execute(families()[sample.field].ask(sample=number))
                assert same(found, sample.value), f"{named(sample)} came back as {found!r:.200}"
            hits = app.operations.cache_stats().hits - before.hits
            assert hits == accepted(sample, "cached answer"), named(sample)


async def test_remote_commands() -> None:
    """A command arrives with an equal field, or is refused by the sender."""
    broker, arrived = InMemoryTransport(), dict[int, Any]()
    app = application(InMemory(), arrived, transport=broker)
    app.serve(*(family.later for family in families().values()))
    async with app:
        for number, sample in enumerate(samples()):
            command = families()[sample.field].later(sample=number, value=sample.value)
            if not accepted(sample, "remote command"):
                with pytest.raises(NotStorable, match="value"):
                    await RemoteCommandBus(broker, "values").dispatch(command)
                continue
            await RemoteCommandBus(broker, "values").dispatch(command)
            assert same(arrived[number], sample.value), f"{named(sample)} came back as {arrived[number]!r:.200}"


async def test_remote_results() -> None:
    """A result arrives equal, or the receiver refuses it."""
    broker = InMemoryTransport()
    app = application(InMemory(), {}, transport=broker)
    app.serve(*(family.answer for family in families().values()))
    async with app:
        for number, sample in enumerate(samples()):
            command = families()[sample.field].answer(sample=number)
            if not accepted(sample, "remote result"):
                with pytest.raises(RemoteFailure, match="ResultNotRecordable"):
                    await RemoteCommandBus(broker, "values").dispatch(command)
                continue
            found = await RemoteCommandBus(broker, "values").dispatch(command)
            assert same(found, sample.value), f"{named(sample)} came back as {found!r:.200}"
