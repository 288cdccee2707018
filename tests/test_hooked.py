"""The store that tests hold or break at a step."""

from __future__ import annotations

from typing import Any

import pytest

from twofold.ports import START
from twofold.testing.conformance._tools.hooked import Call, Hooked
from twofold_memory import InMemory


async def answer(call: Call) -> Any:
    """Do what was asked."""
    return await call()


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio."""
    return "asyncio"


@pytest.mark.parametrize("method", ["log.apend", "logs.append", "begins", "log", "commit.log", "rows.write", ""])
def test_an_unknown_method_is_refused(method: str) -> None:
    """A hook that is never called would let every test pass that relies on it."""
    with pytest.raises(LookupError, match="neither a store nor a transaction"):
        Hooked(InMemory(), method, answer)


@pytest.mark.parametrize(
    "method", ["begin", "commit", "log.head", "log.read_all", "parked.keys", "subscriptions.claim"]
)
async def test_a_method_is_hooked_wherever_it_is(method: str) -> None:
    """The hook is called in place of a method of the store, of a transaction, and of a part of either."""
    called: list[str] = []

    async def note(call: Call) -> Any:
        called.append(method)
        return await call()

    store = Hooked(InMemory(), method, note)
    transaction = await store.begin()
    await store.log.head()
    await store.log.read_all(after=START)
    await store.parked.keys("a")
    await store.subscriptions.claim("a", "owner", limit=1, seconds=1)
    await transaction.commit()

    assert called == [method]
