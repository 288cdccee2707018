"""Attempts: their number is visible to handlers, and the class of an error decides between retry, parking and skipping."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from twofold import Application, Envelope, ReadModel, Retry, Router, on
from twofold.errors import CommitUnknown, TransientFailure
from twofold.middleware import CallNext
from twofold.ports import ParkedEvent

from .._domain.audit import Audit, deposits, running, settled
from .._domain.bank import Deposit, Deposited
from .._tools.dial import Dial
from .._tools.in_time import until
from .._tools.opened import NewStore
from .pending_retries import HOUR, LATER, dialled

SUBSCRIPTIONS = "rows", "mail"

Tried = list[tuple[str, str, int, int]]
"""The attempts in order: subscription, account, amount, number of the attempt."""


def trying(tried: Tried, errors: Mapping[str, list[Exception]], retry: Retry) -> Router:
    """Return a router with a projection and an event handler, which fail alike.

    Args:
        tried: collects the attempts.
        errors: the errors of the first attempts at the deposits of 1 in an account; later attempts succeed.
        retry: how both are retried.
    """
    router = Router("trying")

    def attempt(subscription: str, event: Deposited, envelope: Envelope[Deposited]) -> None:
        before = sum(each[:2] == (subscription, event.account_id) for each in tried)
        tried.append((subscription, event.account_id, int(event.amount), envelope.attempt))
        failing = errors.get(event.account_id, [])
        if event.amount == 1 and before < len(failing):
            raise failing[before]

    @router.projection("rows", retry=retry)
    class Rows:
        def __init__(self, rows: ReadModel[Audit]) -> None: ...

        @on(Deposited)
        async def deposited(self, event: Deposited, envelope: Envelope[Deposited]) -> None:
            attempt("rows", event, envelope)

    @router.event_handler(Deposited, name="mail", start="beginning", retry=retry)
    async def mail(event: Deposited, envelope: Envelope[Deposited]) -> None:
        attempt("mail", event, envelope)

    return router


async def parked_of(app: Application) -> dict[str, list[ParkedEvent]]:
    """Return the parked events of each subscription."""
    return {name: list(await app.operations.parked(name)) for name in SUBSCRIPTIONS}


class Attempts:
    """The cases of `SubscriptionSuite` about the attempts at one event."""

    async def test_a_handler_sees_the_number_of_its_attempt(self, new_store: NewStore) -> None:
        """The first attempt is number 1. Each failure increases the number, also across a restart and by `retry`."""
        dial, tried = Dial(), Tried()
        router = trying(tried, {"a": [LookupError("on purpose")] * 3}, LATER)
        async with new_store([]) as store:
            for attempt in (1, 2):
                async with dialled(store, dial, router) as app:
                    if attempt == 1:
                        await deposits(app, "a")
                    await until(lambda app=app, attempt=attempt: self._all_failed(app, attempt))  # type: ignore[misc]
                dial.time += 2 * HOUR
            dial.time -= 2 * HOUR  # the third attempt is made on request
            async with dialled(store, dial, router) as app:
                for name in SUBSCRIPTIONS:
                    assert [each.attempts for each in await app.operations.retry(name, "account-a")] == [3]
                    assert await app.operations.retry(name, "account-a") == []
                await app.dispatch(Deposit(account_id="a", amount=Decimal(2)))
                await settled(app)
        for name in SUBSCRIPTIONS:
            assert [each[2:] for each in tried if each[0] == name] == [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1)]

    async def test_middleware_sees_the_envelope_of_each_attempt(self, new_store: NewStore) -> None:
        """Middleware that takes the envelope gets that of the stored event, with the number of the attempt."""
        seen: list[tuple[UUID, int | None, int]] = []
        router = trying([], {"a": [LookupError("on purpose")]}, Retry(attempts=2, delay=0.001))

        async def noted(event: Deposited, call_next: CallNext, envelope: Envelope[Deposited]) -> None:
            seen.append((envelope.id, envelope.position, envelope.attempt))
            await call_next(event)

        router.use(noted, on=Deposited)
        async with new_store([]) as store, running(store, router) as app:
            await deposits(app, "a")
            await settled(app)
            _, deposited = [event async for event in store.log.read("account-a")]
        assert seen == [(deposited.id, deposited.position, attempt) for attempt in (1, 2)]

    async def test_the_class_of_an_error_decides(self, new_store: NewStore) -> None:
        """The most specific class of an error retries an event, parks it immediately or skips it. Skipped keys continue."""
        retry = Retry(attempts=2, delay=0.001, on=OSError, park_on=FileNotFoundError, skip_on=(LookupError, EOFError))
        errors: dict[str, list[Exception]] = {
            "retried": [OSError("busy"), PermissionError("busy")],
            "parked": [FileNotFoundError("gone")],
            "unlisted": [ValueError("wrong")],
            "skipped": [KeyError("nobody")],
            "skipped later": [OSError("busy"), EOFError("nobody")],
        }
        tried = Tried()
        async with new_store([]) as store, running(store, trying(tried, errors, retry)) as app:
            await deposits(app, *errors)
            for account in errors:
                await app.dispatch(Deposit(account_id=account, amount=Decimal(2)))
            await settled(app)
            for parked in (await parked_of(app)).values():
                assert {each.key: each.attempts for each in parked if each.attempts} == {
                    "account-retried": 2, "account-parked": 1, "account-unlisted": 1,
                }  # fmt: skip
                assert len(parked) == 6
                assert [each.again for each in parked] == [None] * 6
            for each in await app.operations.status():
                assert each.skipped == (2 if each.name in SUBSCRIPTIONS else 0)
        for name in SUBSCRIPTIONS:
            mine = {account: [each[2:] for each in tried if each[:2] == (name, account)] for account in errors}
            assert mine == {
                "retried": [(1, 1), (1, 2)],
                "parked": [(1, 1)],
                "unlisted": [(1, 1)],
                "skipped": [(1, 1), (2, 1)],
                "skipped later": [(1, 1), (1, 2), (2, 1)],
            }

    async def test_a_store_failure_neither_parks_nor_skips(self, new_store: NewStore) -> None:
        """Failures of a store are retried until they end, whatever `park_on` and `skip_on` contain. They are not counted."""
        errors: dict[str, list[Exception]] = {
            "a": [TransientFailure("busy"), CommitUnknown("lost"), TransientFailure("busy")]
        }
        for retry in (Retry(attempts=1, on=(), park_on=Exception), Retry(attempts=1, on=(), skip_on=Exception)):
            tried = Tried()
            async with new_store([]) as store, running(store, trying(tried, errors, retry)) as app:
                await deposits(app, "a")
                await settled(app)
                assert await parked_of(app) == {name: [] for name in SUBSCRIPTIONS}
                assert [each.skipped for each in await app.operations.status()] == [0, 0, 0]
            for name in SUBSCRIPTIONS:
                assert [each[3] for each in tried if each[0] == name] == [1] * 4

    async def _all_failed(self, app: Application, attempts: int) -> bool:
        found = await parked_of(app)
        return all([each.attempts for each in found[name]] == [attempts] for name in SUBSCRIPTIONS)
