"""`check()` finds queries that cannot be cached, and keys distinguish different values."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from uuid import UUID

import pytest
from pydantic import BaseModel, SecretStr

from tests.domains.cached_bank import GetCached
from twofold import Application, Cache, Envelope, Query, Session
from twofold.errors import WiringError
from twofold.ports import Cached, CacheLease, CacheStore
from twofold.testing.conformance._domain.bank import Balance, Open, Opened
from twofold.testing.conformance._domain.bank import bank as bank_module
from twofold.testing.conformance._tools.in_time import in_time
from twofold_memory import InMemory, InMemoryCache


class Broken(Query[int]):
    pass


class Colour(Enum):
    RED = 1


class GetFormatted(Query[int]):
    text: str
    number: int
    price: Decimal
    day: date
    maybe: datetime | None
    id: UUID
    colour: Colour


class GetTenant(Query["str | None"]):
    account_id: str
    place: str = ""


class GetNumber(Query[int]):
    pass


def test_a_cache_that_cannot_be_is_found() -> None:
    """check() finds unknown fields, times that are none, answers without JSON and streams, with file and line."""

    class Counted(Query[AsyncIterator[int]]):
        pass

    app = Application("bank", write=InMemory())

    @app.query_handler(GetCached, cache=Cache(ttl=0, key="a:{account}", invalidated_by={Opened: "a:{id}"}, jitter=1))
    async def get_cached(query: GetCached) -> Balance | None:
        return None

    @app.query_handler(Broken, cache=Cache(ttl=1, key="a:{", negative_ttl=-1))
    async def broken(query: Broken) -> int:
        return 1

    @app.query_handler(Counted, cache=Cache(ttl=1, key="counted"))
    async def counted(query: Counted) -> AsyncIterator[int]:
        yield 1

    with pytest.raises(WiringError) as raised:
        app.check()
    text = str(raised.value)
    for part in (
        "'account', which is not a field of GetCached",
        "'id', which is not a field of Opened",
        "the cache of GetCached must keep answers for a positive number of seconds",
        "jitter=1",
        "the key 'a:{' cannot be read",
        "the cache of Broken must keep answers for a positive number of seconds",
        "Counted returns a stream",
    ):
        assert part in text
    assert text.count(f"{__file__}:") == len(raised.value.faults) == 7


class Login(BaseModel):
    name: str
    password: SecretStr


@pytest.mark.parametrize("field", ["password", "maybe", "login"])
def test_a_secret_in_a_key_is_found(field: str) -> None:
    """The texts of all secrets are equal: a query with one secret would get the answer of another."""

    class Ask(Query[int]):
        password: SecretStr
        maybe: SecretStr | None
        login: Login

    app = Application("bank", write=InMemory())

    @app.query_handler(Ask, cache=Cache(ttl=1, key=f"ask:{{{field}}}"))
    async def ask(query: Ask) -> int:
        return 1

    with pytest.raises(WiringError, match=f"'{field}' of Ask, which is a secret or contains one"):
        app.check()


def formatted(key: str) -> Application:
    """Return an application with a query that is cached under a key."""
    app = Application("bank", write=InMemory())

    @app.query_handler(GetFormatted, cache=Cache(ttl=1, key=key))
    async def get_formatted(query: GetFormatted) -> int:
        return 1

    return app


@pytest.mark.parametrize(
    "key",
    [
        *("{text!r}", "{text:.2f}", "{number:%Y}", "{number:{text}}", "{maybe:%Y-%m}", "{id:>40}"),
        "{price:d}",
    ],
)
def test_a_format_that_no_value_has_is_found(key: str) -> None:
    """A format that does not fit every value of the field's type, None included, is a fault."""
    with pytest.raises(WiringError, match="the key "):
        formatted(key).check()


@pytest.mark.parametrize("key", ["{text:>9}", "{number:05d}", "{day:%Y-%m}", "{price:.2f}", "{maybe}{id}{colour:>9}"])
def test_a_format_that_fits_is_none(key: str) -> None:
    """Values of these types have a key."""
    formatted(key).check()


@asynccontextmanager
async def telling_tenants(store: CacheStore, key: str = "{account_id}") -> AsyncIterator[Application]:
    """Run an application whose answers are the tenants for whom they were loaded."""
    app = Application("bank", write=InMemory(), cache=store)
    app.include(bank_module)

    @app.query_handler(GetTenant, cache=Cache(ttl=60, key=key))
    async def get_tenant(query: GetTenant, envelope: Envelope[GetTenant]) -> str | None:
        return f"{envelope.tenant} {query.account_id} {query.place}"

    seen: list[str | None] = []

    @app.event_handler(Opened, name="ask")
    async def ask(event: Opened, session: Session) -> None:
        seen.append(await session.execute(GetTenant(account_id=event.account_id)))

    with in_time():
        async with app:
            yield app
            await app.settle()
            assert all(each is not None and each.startswith("north") for each in seen)


async def test_answers_belong_to_the_tenant_for_whom_they_were_loaded(store: CacheStore) -> None:
    """In a session, without one, and in an event handler: no tenant gets an answer that was loaded for another one."""
    async with telling_tenants(store) as app:
        async with app.session(tenant="north") as north:
            await north.dispatch(Open(account_id="a"))
            await app.settle()
            for _ in range(2):
                assert await north.execute(GetTenant(account_id="a")) == "north a "
        for _ in range(2):
            assert await app.execute(GetTenant(account_id="a")) == "None a "
            assert await app.session().execute(GetTenant(account_id="a")) == "None a "
            assert await app.session(tenant="/").execute(GetTenant(account_id="a")) == "/ a "
            assert await app.session(tenant="None").execute(GetTenant(account_id="a")) == "None a "


async def test_fields_are_distinguished_from_the_text_between_them(store: CacheStore) -> None:
    """Two fields that contain the separator do not give the key of other values."""
    async with telling_tenants(store, "{account_id}:{place}") as app:
        assert await app.execute(GetTenant(account_id="a:b", place="c")) == "None a:b c"
        assert await app.execute(GetTenant(account_id="a", place="b:c")) == "None a b:c"
        assert await app.execute(GetTenant(account_id="a%3Ab", place="c")) == "None a%3Ab c"


class Timed(InMemoryCache):
    """Records the times to live of answers."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        self.seconds.append(seconds)
        await super().fill(lease, answer, seconds=seconds)
        await self.invalidate([lease.key])
        return True


@pytest.mark.parametrize("kind", ["memory-asyncio", "memory-trio"])
async def test_answers_expire_at_different_times(kind: str) -> None:
    """Lifetimes are spread over the fraction that jitter sets, and none exceeds ttl."""
    cache = Timed()
    app = Application("bank", write=InMemory(), cache=cache)

    @app.query_handler(GetNumber, cache=Cache(ttl=100, key="n", jitter=0.5))
    async def get_number(query: GetNumber) -> int:
        return 1

    async with app:
        for _ in range(100):
            await app.execute(GetNumber())
    assert len(set(cache.seconds)) > 90
    assert 50 <= min(cache.seconds) < 60
    assert 90 < max(cache.seconds) <= 100
