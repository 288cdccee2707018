"""Idempotency keys and the inbox: refused commands, middleware, and retention."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import anyio
import pytest
from pydantic import BaseModel, SecretStr

from twofold import Application, Command, Repository, Router, Session
from twofold._encoding.results import Results
from twofold.errors import IdempotencyKeyReused, InvalidKey, NotAuthorised, ResultNotRecordable
from twofold.middleware import authorise
from twofold.ports import WriteStore
from twofold.testing.conformance._domain.bank import Account, Deposit, Deposited, Open, application
from twofold.testing.conformance._domain.payments import PAY, Look, Pay, balance, paying
from twofold.testing.conformance._tools.in_time import in_time


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


class Close(Command[None]):
    """A command without a result."""


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
        (Close, None),
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
