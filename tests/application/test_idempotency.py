"""Idempotency keys and the inbox: refused commands, middleware, and retention."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, cast

import anyio
import pytest
from pydantic import BaseModel, Field, PlainSerializer, PlainValidator, SecretStr

from twofold import Application, Command, Repository, Router, Session
from twofold._encoding import fingerprint as fingerprints
from twofold._encoding.fingerprint import fingerprint as fingerprint_of
from twofold._encoding.results import Results
from twofold.errors import IdempotencyKeyReused, InvalidKey, NotAuthorised, ResultNotRecordable
from twofold.middleware import authorise
from twofold.ports import KeyRecord, WriteStore
from twofold.testing.conformance._domain.bank import Account, Deposit, Deposited, Open, application
from twofold.testing.conformance._domain.payments import PAY, Look, Pay, balance, paying
from twofold.testing.conformance._tools.hooked import Call, Hooked
from twofold.testing.conformance._tools.in_time import in_time
from twofold_memory import InMemory


def fingerprint(command: Command[Any]) -> str:
    """Return the fingerprint of a command that is dispatched with a key."""
    return anyio.run(fingerprint_of, command, "k")


class Unknown:
    """A class that pydantic does not support."""


class Login(Command["Login2 | None"]):
    """Answered with a class that is defined further down."""


class Login2(BaseModel):
    token: SecretStr
    roles: frozenset[str] = frozenset()


class Peek(Command[Unknown]):
    """Answered with something that has no JSON."""


class Measure(Command[float]):
    """Answered with any number."""


class Untyped(Command[Any]):
    """A command whose result may be anything."""


class Tag(BaseModel):
    name: str


class LongTag(Tag):
    more: str


class Part(BaseModel):
    number: int = Field(exclude=True)


class Sign(Command[None]):
    """A command with a short secret."""

    pin: SecretStr


class File(Command[None]):
    """A payload of many types."""

    tags: frozenset[str] = frozenset()
    weights: Mapping[str, float] = Field(default_factory=dict)
    tag: Tag | None = None
    content: bytes = b""


@pytest.fixture
async def app(store: WriteStore) -> AsyncIterator[Application]:
    """Run the bank with payments and an open account."""
    app = await application(store, paying())
    async with app:
        await app.dispatch(Open(account_id="a"))
        yield app


@pytest.mark.parametrize("text", ["", "x" * 201])
async def test_unusable_keys_are_refused(app: Application, text: str) -> None:
    """An empty or too long key, tenant, consumer or id is refused before anything happens."""
    with pytest.raises(InvalidKey, match=f"{len(text)} characters"):
        await app.dispatch(PAY, idempotency_key=text)
    with pytest.raises(InvalidKey, match="consumer"):
        await app.session().receive(text, "1", PAY)
    with pytest.raises(InvalidKey, match="message"):
        await app.session().receive("c", text, PAY)
    if text:
        with pytest.raises(InvalidKey, match="tenant"):
            await app.session(tenant=text).dispatch(PAY, idempotency_key="k")
    assert await balance(app) == 0


async def test_a_result_without_json_is_refused_before_the_handler_runs(store: WriteStore) -> None:
    """A command whose result type has no JSON is refused with a key before its handler runs. It runs without a key."""
    router, ran = Router("peeking"), []

    @router.command_handler(Peek)
    async def peek(command: Peek) -> Unknown:
        ran.append(command)
        return Unknown()

    async with await application(store, router) as app:
        with pytest.raises(ResultNotRecordable, match="Peek"):
            await app.dispatch(Peek(), idempotency_key="k")
        assert ran == []
        assert isinstance(await app.dispatch(Peek()), Unknown)


async def test_a_result_that_would_come_back_changed_is_refused(store: WriteStore) -> None:
    """A masked secret, or a decimal without a declared type, cannot be returned to a repeat. Nothing is committed."""
    router = Router("lossy")

    @router.command_handler(Login)
    async def log_in(command: Login, accounts: Repository[Account]) -> Login2 | None:
        (await accounts.get("a")).record(Deposited(account_id="a", amount=Decimal(1)))
        return Login2(token=SecretStr("hunter2"))

    @router.command_handler(Untyped)
    async def untyped(command: Untyped, accounts: Repository[Account]) -> Any:
        (await accounts.get("a")).record(Deposited(account_id="a", amount=Decimal(1)))
        return Decimal("1.50")

    async with await application(store, router, paying()) as app:
        await app.dispatch(Open(account_id="a"))
        for command in (Login(), Untyped()):
            with pytest.raises(ResultNotRecordable, match="Nothing was committed") as caught:
                await app.dispatch(command, idempotency_key="k")
            assert "hunter2" not in str(caught.value)
        assert await balance(app) == 0
        await app.dispatch(PAY, idempotency_key="k")


@pytest.mark.parametrize(
    ("command", "result"),
    [
        (Login, None),
        (Look, Decimal("1.50")),
        (File, None),
        (Untyped, {"a": [1, "b"]}),
        (Measure, float("-inf")),
        (Measure, float("nan")),
        (Measure, 1),
    ],
)
def test_results_come_back_as_they_were(command: type[Command[Any]], result: object) -> None:
    """A result that JSON can represent is returned equal to a repeat."""
    results = Results(command)
    again = results.decode(results.encode(result))
    if result == result:
        assert again == result


def test_a_changed_result_type_is_reported() -> None:
    """A recorded result that no longer fits its type is an error that says that the command was committed."""
    with pytest.raises(ResultNotRecordable, match="The command itself was committed"):
        Results(Look).decode('"many"')


def test_fingerprints_tell_payloads_apart() -> None:
    """Equal payloads have equal hashes whatever their order; every difference counts, in fields of subclasses too."""
    same = [
        File(tags=frozenset(order), weights=dict(pairs))
        for order, pairs in (("abc", [("x", 1.0), ("y", 2.0)]), ("cba", [("y", 2.0), ("x", 1.0)]))
    ]
    assert len({fingerprint(each) for each in same}) == 1
    different = [
        *same[:1],
        File(),
        File(tags=frozenset(["a,b"])),
        File(tags=frozenset(["a", "b"])),
        File(weights={"x": float("nan")}),
        File(tag=Tag(name="n")),
        File(tag=LongTag(name="n", more="m")),
        File(tag=LongTag(name="n", more="o")),
        File(content=b"\xff"),
    ]
    assert len({fingerprint(each) for each in different}) == len(different)


class Upload(Command[None]):
    """A payload of which JSON shows little."""

    name: str
    size: int = Field(default=0, exclude=True)
    owner: Annotated[str, PlainSerializer(lambda _: "***")] = ""
    point: Annotated[complex, PlainValidator(complex), PlainSerializer(str)] = 0j
    parts: tuple[Part, ...] = ()


def test_fields_that_json_leaves_out_count() -> None:
    """Commands that differ only in a field that is excluded, masked, or nested in another model are two commands."""
    different = [
        Upload(name="a"),
        Upload(name="a", size=1),
        Upload(name="a", owner="ada"),
        Upload(name="a", point=1j),
        Upload(name="a", parts=(Part(number=1),)),
        Upload(name="a", parts=(Part(number=2),)),
    ]
    assert len({fingerprint(each) for each in different}) == len(different)
    assert fingerprint(Upload(name="a", point=1j)) == fingerprint(Upload(name="a", point=1j))


@pytest.mark.parametrize("command", [Upload(name="a"), Sign(pin=SecretStr("1234"))], ids=["fields", "secret"])
def test_each_key_has_hashes_of_its_own(command: Command[Any]) -> None:
    """The hash of a command says nothing about the hashes of the same command with other keys, or without a key."""
    hashes = {anyio.run(fingerprint_of, command, key) for key in ("k", "l", "a\0k")}
    assert len(hashes) == 3
    assert all(len(each) == 64 for each in hashes)


def test_a_guess_at_a_secret_is_slow() -> None:
    """A command with a secret is hashed by a function that takes memory and time, so that few guesses can be tried."""
    slow = hashlib.scrypt(b'{"pin":"1234"}', salt=b"k", n=4096, r=8, p=1, dklen=32)
    assert fingerprint(Sign(pin=SecretStr("1234"))) == slow.hex()


async def test_a_slow_hash_runs_in_a_worker_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a command with a secret is hashed, the event loop continues."""
    threads: list[int] = []

    def slow(*_: object, **__: object) -> bytes:
        threads.append(threading.get_ident())
        return b""

    monkeypatch.setattr(fingerprints, "scrypt", slow)
    await fingerprint_of(Sign(pin=SecretStr("1234")), "k")
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


class Price(Command[None]):
    amount: Decimal
    at: datetime


def test_fingerprints_are_those_of_values() -> None:
    """A repeat that writes an equal amount or the same instant in another way is the same command."""
    noon = datetime(2024, 6, 1, 12, tzinfo=UTC)
    one = Price(amount=Decimal("1.5"), at=noon)
    assert fingerprint(one) == fingerprint(
        Price(amount=Decimal("1.50"), at=noon.astimezone(timezone(timedelta(hours=5))))
    )
    assert fingerprint(one) != fingerprint(Price(amount=Decimal("1.51"), at=noon))
    early = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    assert fingerprint(Price(amount=Decimal("1e-40"), at=early)) != fingerprint(one)


def test_fingerprints_are_the_same_in_every_process() -> None:
    """The order of a set differs between processes; the hash of a command that holds one does not."""
    code = (
        "from tests.application.test_idempotency import File, fingerprint;"
        "print(fingerprint(File(tags=frozenset(map(str, range(50))))))"
    )
    root = Path(__file__).resolve().parents[2]
    printed = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, cwd=root, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert printed == {f"{fingerprint(File(tags=frozenset(map(str, range(50)))))}\n".encode()}


async def test_a_repeat_is_authorised(store: WriteStore) -> None:
    """A repeat passes the middleware like the first dispatch: an unauthorised caller gets no stored result."""
    allowed = True
    app = await application(store, paying())
    app.use(authorise(lambda _: allowed), on=Pay)
    async with app:
        await app.dispatch(Open(account_id="a"))
        await app.dispatch(PAY, idempotency_key="k")
        allowed = False
        with pytest.raises(NotAuthorised):
            await app.dispatch(PAY, idempotency_key="k")


async def test_middleware_inside_the_unit_runs_once(store: WriteStore) -> None:
    """Middleware inside the unit of work belongs to the effect, and therefore does not run for a repeat."""
    seen: list[Any] = []

    async def inside(message: Any, call_next: Any) -> Any:
        seen.append(message)
        return await call_next(message)

    app = await application(store, paying())
    app.use(inside, on=Pay, inside=True)
    async with app:
        await app.dispatch(Open(account_id="a"))
        for _ in range(2):
            await app.dispatch(PAY, idempotency_key="k")
            await app.session().receive("c", "1", PAY)
        assert seen == [PAY, PAY]


async def test_a_key_inside_its_own_command_is_an_error(store: WriteStore) -> None:
    """A handler that dispatches another command with its own key gets an error instead of a deadlock."""
    router = Router("own")

    class Outer(Command[str]):
        pass

    @router.command_handler(Outer)
    async def outer(command: Outer, session: Session) -> str:
        with pytest.raises(IdempotencyKeyReused, match="for Outer"):
            await session.dispatch(PAY, idempotency_key="k")
        return "done"

    async with await application(store, router, paying()) as app:
        await app.dispatch(Open(account_id="a"))
        with in_time():
            assert await app.dispatch(Outer(), idempotency_key="k") == "done"
        assert await balance(app) == 0


async def test_an_event_handler_has_the_tenant_of_its_event(store: WriteStore) -> None:
    """A command that an event handler dispatches with a key takes effect once for each tenant of its events."""
    router = Router("welcoming")

    class Welcome(Command[None]):
        account_id: str

    @router.command_handler(Welcome)
    async def welcome(command: Welcome, session: Session) -> None:
        await session.dispatch(Deposit(account_id=command.account_id, amount=Decimal(1)))

    from twofold.testing.conformance._domain.bank import Opened

    @router.event_handler(Opened, name="welcome")
    async def on_opened(event: Opened, session: Session) -> None:
        await session.dispatch(Welcome(account_id=event.account_id), idempotency_key="welcome")

    async with await application(store, router, paying()) as app:
        for tenant in ("blue", "cyan"):
            await app.session(tenant=tenant).dispatch(Open(account_id=tenant))
        await app.settle()
        assert [await balance(app, tenant) for tenant in ("blue", "cyan")] == [1, 1]
        assert [each.parked for each in await app.operations.status()] == [0, 0]


async def test_a_cancelled_duplicate_does_not_disturb_others(store: WriteStore) -> None:
    """Cancelling a duplicate that waits for the first dispatch affects neither the first dispatch nor later duplicates."""
    release, results = anyio.Event(), []
    app = await application(store, paying(during=release.wait))

    async def first() -> None:
        results.append(await app.dispatch(PAY, idempotency_key="k"))

    async with app:
        await app.dispatch(Open(account_id="a"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first)
            await anyio.wait_all_tasks_blocked()
            with anyio.move_on_after(0.05) as given_up:
                await app.dispatch(PAY, idempotency_key="k")
            assert given_up.cancelled_caught
            release.set()
        assert results == [await app.dispatch(PAY, idempotency_key="k")]
        assert await balance(app) == Decimal("2.50")


class Later:
    """A clock that is ten days ahead of the records of these tests."""

    def now(self) -> datetime:
        return datetime(2024, 5, 27, tzinfo=UTC)


OLD, YOUNG = datetime(2024, 5, 17, tzinfo=UTC), datetime(2024, 5, 26, tzinfo=UTC)


class Noting(Hooked):
    """A store that records how many records each of its transactions has deleted."""

    def __init__(self) -> None:
        super().__init__(InMemory(), "inbox.delete", self._note)
        self.forgotten: list[int] = []
        self.done = anyio.Event()

    async def _note(self, delete: Call) -> int:
        self.forgotten.append(await delete())
        if self.forgotten[-1] < 500:
            self.done.set()
        return self.forgotten[-1]


@pytest.fixture
async def noting() -> Noting:
    """Return a store with 1,300 old messages, 3 new ones, and a key of each age."""
    noting = Noting()
    transaction = await noting.begin()
    for number in range(1303):
        await transaction.inbox.claim("c", f"{number}", time=OLD if number >= 3 else YOUNG)
    for time in (OLD, YOUNG):
        await transaction.keys.claim("", f"{time:%d}", KeyRecord("Pay", "", time))
    await transaction.commit()
    return noting


@pytest.mark.parametrize("kind", ["memory-asyncio", "memory-trio"])
async def test_a_running_application_deletes_old_records(noting: Noting) -> None:
    """A running application deletes records older than its limit, in batches.

    New records and records without a time stay.
    """
    app = Application("bank", write=cast(WriteStore, noting), clock=Later(), keep_records=timedelta(days=7))
    with in_time():
        async with app:
            await noting.done.wait()
    assert noting.forgotten == [500, 500, 300]
    assert await noting.inbox.delete(before=Later().now(), limit=10) == 3
    assert await noting.keys.delete(before=Later().now(), limit=10) == 1


@pytest.mark.parametrize("kind", ["memory-asyncio", "memory-trio"])
@pytest.mark.parametrize("options", [{"keep_records": None}, {"work": False}])
async def test_old_records_are_deleted_on_demand(noting: Noting, options: dict[str, Any]) -> None:
    """Without a limit, or in a process without subscriptions, only an explicit call deletes records."""
    async with Application("bank", write=cast(WriteStore, noting), clock=Later(), **options) as app:
        await anyio.wait_all_tasks_blocked()
        assert noting.forgotten == []
        assert await app.operations.delete_records(older_than=timedelta(days=5)) == 1301
        assert noting.forgotten == [500, 500, 300]
