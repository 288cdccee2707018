"""Sessions: a query sees the writes of its session, or raises `ReadNotReady`."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import anyio
import anyio.lowlevel
import pytest

from twofold import Application, Query, QueryBus, ReadModel, Router, Session
from twofold.errors import ReadNotReady

from .._domain.audit import Audit, DepositEach, EmitUnwanted, GetAudit, auditing, running, settled
from .._domain.bank import Balance, Deposit, GetBalance, Open
from .._tools.capabilities import Capabilities
from .._tools.dial import Dial
from .._tools.in_time import CEILING, patience
from .._tools.opened import NewStore
from .._tools.watched import BEFORE_COMMIT, BEGIN, BEGIN_READING, LOOK, watched
from .pending_retries import HOUR, KEY, dialled, failing, passes
from .session_checks import SessionChecks

SEEDS = range(3)
WRITERS = range(4)
ROUNDS = range(17)


class GetBoth(Query["tuple[Balance | None, Audit | None]"]):
    """Reads from two projections."""

    account_id: str


def reading_both(*reads: str) -> Router:
    """Return a router that answers `GetBoth` from two projections, named in this order."""
    router = auditing()

    @router.query_handler(GetBoth, reads=reads)
    async def get_both(
        query: GetBoth, balances: ReadModel[Balance], audits: ReadModel[Audit]
    ) -> tuple[Balance | None, Audit | None]:
        return await balances.get(query.account_id), await audits.get(query.account_id)

    return router


class Ask(Query[Balance | None]):
    """Answered by another query."""

    account_id: str


def asking() -> Router:
    """Return a router that answers `Ask` by `GetBalance`."""
    router = Router("asking")

    @router.query_handler(Ask)
    async def ask(query: Ask, bus: QueryBus) -> Balance | None:
        return await bus.execute(GetBalance(account_id=query.account_id))

    return router


def holds(account: str, amount: int) -> Balance:
    """Return the row of an account."""
    return Balance(account_id=account, balance=Decimal(amount))


class SessionSuite(SessionChecks):
    """The promises of sessions on a store. Needs the fixtures `new_store` and `capabilities`."""

    async def test_a_session_reads_its_own_writes(self, new_store: NewStore) -> None:
        """A query always sees the preceding commands of its session, however often the row changes."""
        async with new_store([]) as store, running(store) as app, app.session() as session:
            assert await session.execute(GetBalance(account_id="a")) is None
            await session.dispatch(Open(account_id="a"))
            for number in range(1, 51):
                await session.dispatch(Deposit(account_id="a", amount=Decimal(1)))
                assert await session.execute(GetBalance(account_id="a")) == holds("a", number)

    async def test_a_token_works_from_another_application(self, new_store: NewStore) -> None:
        """A session that another application resumes from a token sees the writes of the first session."""
        async with new_store([]) as store, running(store) as app, running(store, work=False) as other:
            session = app.session()
            await session.dispatch(Open(account_id="a"))
            for number in range(1, 11):
                await session.dispatch(Deposit(account_id="a", amount=Decimal(1)))
                resumed = other.session(session.token)
                assert resumed.token == session.token
                assert await resumed.execute(GetBalance(account_id="a")) == holds("a", number)
                assert await other.execute(GetBalance(account_id="a"), after=session.token) == holds("a", number)

    async def test_random_interleavings(self, new_store: NewStore) -> None:
        """Concurrent sessions see their own writes, with random delays in the store."""
        for seed in SEEDS:
            dice = Random(seed)  # noqa: S311 -- not used for security

            async def dawdle(point: str, about: str, dice: Random = dice) -> None:
                for _ in range(dice.randrange(6)):
                    await anyio.lowlevel.checkpoint()

            async with (
                new_store([]) as store,
                running(watched(store, dawdle)) as app,
                running(store, work=False) as other,
                anyio.create_task_group() as tasks,
            ):
                for writer in WRITERS:
                    tasks.start_soon(self._converse, app, other, f"{writer}", dice)

    async def test_commits_in_reverse_order(self, new_store: NewStore, capabilities: Capabilities) -> None:
        """A writer that appends first and commits last delays waiting queries. Its own session sees its writes."""
        appended, release = anyio.Event(), anyio.Event()

        async def hold(point: str, about: str) -> None:
            if point == BEFORE_COMMIT and about == "account-first":
                appended.set()
                await release.wait()

        async def write(app: Application, account: str, written: anyio.Event) -> None:
            session = app.session()
            await session.dispatch(Open(account_id=account))
            written.set()
            answer = await session.execute_stale(GetBalance(account_id=account))
            assert answer.lag or answer.value == holds(account, 0)
            assert await session.execute(GetBalance(account_id=account)) == holds(account, 0)

        async with new_store([]) as store, running(watched(store, hold)) as app:
            async with anyio.create_task_group() as tasks:
                first, second = anyio.Event(), anyio.Event()
                tasks.start_soon(write, app, "first", first)
                await appended.wait()
                tasks.start_soon(write, app, "second", second)
                if capabilities.several_writers:
                    await second.wait()
                assert not first.is_set()
                release.set()
            await settled(app)
            for account in ("first", "second"):
                assert await app.execute(GetBalance(account_id=account)) == holds(account, 0)

    async def test_a_frozen_projection_is_reported_in_time(self, new_store: NewStore) -> None:
        """If no projection runs, the command succeeds and the query raises `ReadNotReady` in time."""
        async with new_store([]) as store, running(store, work=False) as app, app.session() as session:
            assert await session.dispatch(Open(account_id="a")) == "a"
            for number in (1, 2):
                assert await session.dispatch(Deposit(account_id="a", amount=Decimal(1))) == number
                with pytest.raises(ReadNotReady) as caught:
                    await session.execute(GetBalance(account_id="a"), timeout=0.05)
                late = caught.value
                assert (late.projection, late.lag, late.parked) == ("balances", number + 1, False)
                with pytest.raises(ReadNotReady):
                    await session.execute(GetBalance(account_id="a"), timeout=0)
                answer = await session.execute_stale(GetBalance(account_id="a"))
                assert (answer.value, answer.lag) == (None, number + 1)
            assert await app.execute(GetBalance(account_id="a")) is None

    async def test_a_session_does_not_wait_for_events_that_a_projection_ignores(self, new_store: NewStore) -> None:
        """A query waits for those events of its session that its projections apply, and for no others.

        The same holds for a session that is resumed from the token, and for its further events.
        """
        query = GetBalance(account_id="a")

        async def answers(app: Application, session: Session) -> list[Balance | None]:
            resumed = app.session(session.token)
            await resumed.dispatch(EmitUnwanted(number=1))
            return [
                await session.execute(query, timeout=0),
                (await session.execute_stale(query)).value,
                await resumed.execute(query, timeout=0),
                await app.execute(query, timeout=0, after=session.token),
            ]

        async with new_store([]) as store, running(store, auditing(), work=False) as app, app.session() as session:
            await session.dispatch(EmitUnwanted(number=2))
            assert await answers(app, session) == [None] * 4
            assert (await session.execute_stale(query)).lag == 0
            await session.dispatch(Open(account_id="a"))
            await session.dispatch(EmitUnwanted(number=1))
            resumed = app.session(session.token)
            await resumed.dispatch(EmitUnwanted(number=1))
            for each, after in ((session, None), (resumed, None), (app.session(), session.token)):
                with pytest.raises(ReadNotReady):
                    await each.execute(query, timeout=0, after=after)
            async with running(store, auditing()) as worker:
                await settled(worker)
            await session.dispatch(EmitUnwanted(number=1))
            assert await answers(app, session) == [holds("a", 0)] * 4
            await session.dispatch(Deposit(account_id="a", amount=Decimal(1)))
            with pytest.raises(ReadNotReady) as caught:
                await session.execute(query, timeout=0)
            assert caught.value.lag

    async def test_nothing_is_held_while_waiting(self, new_store: NewStore) -> None:
        """A waiting query has no open transaction and does not block writers. Its result arrives after the wait."""
        began: list[str] = []
        looks = 0
        waiting = anyio.Event()

        async def note(point: str, about: str) -> None:
            nonlocal looks
            if point in (BEGIN, BEGIN_READING):
                began.append(point)
            looks += point == LOOK
            if looks == 3:
                waiting.set()

        async def ask(app: Application, token: str) -> None:
            answer = await app.session(token).execute(GetBalance(account_id="a"), timeout=CEILING)
            assert answer == holds("a", 0)

        async with new_store([]) as store, running(store, work=False) as writer:
            async with running(watched(store, note), work=False) as app, anyio.create_task_group() as tasks:
                session = writer.session()
                await session.dispatch(Open(account_id="a"))
                looks, waiting = 0, anyio.Event()
                tasks.start_soon(ask, app, session.token)
                await waiting.wait()
                await session.dispatch(Open(account_id="b"))
                assert began == []
                async with running(store) as worker:
                    await settled(worker)
            assert began == [BEGIN_READING]

    async def test_a_query_of_two_projections_waits_for_both(self, new_store: NewStore) -> None:
        """A query that reads two projections waits until both have caught up, in either order."""
        for reads in (("balances", "audit"), ("audit", "balances")):
            async with new_store([]) as store:
                router = reading_both(*reads)
                async with running(store, router, work=False) as app:
                    session = app.session()
                    await session.dispatch(Open(account_id="a"))
                    async with running(store) as worker:
                        await settled(worker)
                    assert await session.execute(GetBalance(account_id="a")) is not None
                    with pytest.raises(ReadNotReady) as caught:
                        await session.execute(GetBoth(account_id="a"), timeout=0.05)
                    assert (caught.value.projection, caught.value.lag) == ("audit", 1)
                    answer = await session.execute_stale(GetBoth(account_id="a"))
                    assert (answer.value, answer.lag) == ((holds("a", 0), None), 1)
                    async with running(store, router) as worker:
                        await settled(worker)
                    both = holds("a", 0), Audit(account_id="a", seen=("opened",))
                    assert await session.execute(GetBoth(account_id="a")) == both

    async def test_a_query_waits_that_the_handler_of_another_query_executes(self, new_store: NewStore) -> None:
        """A query that the handler of a query executes through the bus waits until the deadline of that query."""
        async with new_store([]) as store, running(store, asking(), work=False) as app:
            session, query = app.session(), Ask(account_id="a")
            await session.dispatch(Open(account_id="a"))
            with pytest.raises(ReadNotReady) as caught:
                await session.execute(query, timeout=0.05)
            assert caught.value.projection == "balances"
            assert (await session.execute_stale(query)).value is None
            assert await app.execute(query) is None
            async with running(store) as worker:
                assert await session.execute(query, timeout=CEILING) == holds("a", 0)
                await settled(worker)

    async def test_a_parked_event_of_a_session_ends_the_wait_immediately(self, new_store: NewStore) -> None:
        """A query does not wait if an event of its session is parked, in any application.

        Other queries are answered.
        """
        query = GetAudit(account_id="bad")
        async with new_store([]) as store, running(store, auditing(fail_on=["bad"])) as app:
            session, other = app.session(), app.session()
            await session.dispatch(Open(account_id="bad"))
            await session.dispatch(Deposit(account_id="bad", amount=Decimal(1)))
            await self._is_told(session, query)
            answer = await session.execute_stale(query)
            assert (answer.value, answer.lag) == (Audit(account_id="bad", seen=("opened",)), None)
            async with running(store, auditing(), work=False) as elsewhere:
                await self._is_told(elsewhere.session(session.token), query)
            await other.dispatch(Open(account_id="good"))
            assert await other.execute(GetAudit(account_id="good")) is not None

    async def test_a_session_waits_for_a_pending_retry(self, new_store: NewStore) -> None:
        """A query waits for the pending retry of an event of its session, and is answered after the retry has succeeded."""
        dial, bad, query = Dial(), ["bad"], GetAudit(account_id="bad")
        looks, waiting = 0, anyio.Event()

        async def note(point: str, about: str) -> None:
            nonlocal looks
            looks += point == LOOK
            if looks == 3:
                waiting.set()

        async def ask(app: Application, token: str) -> None:
            assert await app.session(token).execute(query, timeout=CEILING) == Audit(account_id="bad", seen=everything)

        amounts = tuple(range(1, 41))
        everything = ("opened", *map(str, amounts))
        async with new_store([]) as store, dialled(store, dial, failing(bad)) as app:
            session = app.session()
            await session.dispatch(Open(account_id="bad"))
            await session.dispatch(DepositEach(account_id="bad", amounts=amounts))
            await passes(app, "good", "fine")
            with pytest.raises(ReadNotReady) as caught:
                await session.execute(query, timeout=0)
            assert (caught.value.lag, caught.value.parked) == (40, False)
            answer = await session.execute_stale(query)
            assert (answer.value, answer.lag) == (Audit(account_id="bad", seen=("opened",)), 40)
            async with (
                running(watched(store, note), failing(bad), work=False) as other,
                anyio.create_task_group() as tasks,
            ):
                looks, waiting = 0, anyio.Event()
                tasks.start_soon(ask, app, session.token)
                tasks.start_soon(ask, other, session.token)
                await waiting.wait()
                bad.clear()
                dial.time += HOUR

    async def test_the_last_failed_attempt_ends_the_wait_of_a_session(self, new_store: NewStore) -> None:
        """A query that waits for a pending retry ends immediately when the event is parked."""
        dial, query = Dial(), GetAudit(account_id="bad")
        async with new_store([]) as store, dialled(store, dial, failing(["bad"])) as app:
            session = app.session()
            await session.dispatch(Open(account_id="bad"))
            await session.dispatch(Deposit(account_id="bad", amount=Decimal(1)))
            await passes(app, "good", "fine")
            await app.operations.retry("audit", KEY)
            dial.time += 2 * HOUR
            await self._is_told(session, query)

    async def _is_told(self, session: Session, query: GetAudit) -> None:
        """Execute a query and check that it reports the parked event, its reason, and how to list parked events."""
        with pytest.raises(ReadNotReady) as caught:
            await session.execute(query, timeout=patience.get())
        assert (caught.value.projection, caught.value.lag, caught.value.parked) == ("audit", None, True)
        assert caught.value.reason == "LookupError: bad"
        assert all(text in str(caught.value) for text in ("LookupError: bad", "app.operations.parked('audit')"))

    async def _converse(self, app: Application, other: Application, account: str, dice: Random) -> None:
        """Write and read alternately.

        The reads use the session itself, or one that this or the other application resumes from the token.
        """
        session = app.session()
        await session.dispatch(Open(account_id=account))
        query = GetBalance(account_id=account)
        for number in ROUNDS:
            await session.dispatch(Deposit(account_id=account, amount=Decimal(1)))
            match dice.randrange(6):
                case 0:
                    row = await app.session(session.token).execute(query)
                case 1:
                    row = await other.session(session.token).execute(query)
                case _:
                    row = await session.execute(query)
            assert row == holds(account, number + 1)
            if not dice.randrange(3):
                session = app.session(session.token)
