"""Live queries: the current answer, and a new one after each change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from decimal import Decimal
from typing import Any

import anyio
import pytest

from twofold import Application, Command, Query, ReadModel, Router, Session, View, on
from twofold.errors import ConfigurationError, NoHandler, ReadNotReady

from .._domain.audit import Audit, GetAudit, auditing, running, settled
from .._domain.bank import Deposit, GetBalance, Open, Opened
from .._tools.capabilities import Capabilities
from .._tools.in_time import CEILING, in_time
from .._tools.opened import NewStore
from .sessions import Ask, asking, holds

MANY = 100

ONE = Deposit(account_id="a", amount=Decimal(1))


class Opening(View, name="suite_opening", key="account_id"):
    """A row of an inline projection."""

    account_id: str


class GetOpening(Query[Opening | None]):
    """Reads from an inline projection."""

    account_id: str


def inline_openings() -> Router:
    """Return a router with an inline projection, and a query that reads its rows."""
    router = Router("openings")

    @router.projection("openings", mode="inline")
    class Openings:
        def __init__(self, rows: ReadModel[Opening]) -> None:
            self.rows = rows

        @on(Opened)
        async def opened(self, event: Opened) -> None:
            await self.rows.put(Opening(account_id=event.account_id))

    @router.query_handler(GetOpening)
    async def get_opening(query: GetOpening, rows: ReadModel[Opening]) -> Opening | None:
        return await rows.get(query.account_id)

    return router


class Followed:
    """A live query that a task follows. The task holds each answer until it may continue."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.ended = False
        self.held = False
        self._changed = anyio.Event()

    async def follow(self, app: Application, query: Query[Any]) -> None:
        """Collect the answers of a query until the application stops."""
        async with aclosing(app.subscribe(query, timeout=CEILING)) as answers:
            async for answer in answers:
                self.answers.append(answer)
                self._notify()
                await self.until(lambda: not self.held)
        self.ended = True
        self._notify()

    def release(self) -> None:
        """Let the task continue."""
        self.held = False
        self._notify()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds after an answer, or after `release`."""
        while not condition():
            await self._changed.wait()

    async def reaches(self, answer: object) -> None:
        """Wait until an answer is the last one."""
        with in_time():
            await self.until(lambda: bool(self.answers) and self.answers[-1] == answer)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


@asynccontextmanager
async def following(app: Application, query: Query[Any]) -> AsyncIterator[Followed]:
    """Follow a live query in a task."""
    async with anyio.create_task_group() as tasks:
        followed = Followed()
        tasks.start_soon(followed.follow, app, query)
        yield followed
        tasks.cancel_scope.cancel()


class LiveQuerySuite:
    """The promises of live queries on a store. Needs the fixtures `new_store` and `capabilities`."""

    async def test_each_change_gives_an_answer(self, new_store: NewStore) -> None:
        """A live query begins with the current answer. A consumer that waits for each change gets each answer, once."""
        async with (
            new_store([]) as store,
            running(store) as app,
            following(app, GetBalance(account_id="a")) as followed,
        ):
            await followed.reaches(None)
            await app.dispatch(Open(account_id="a"))
            await followed.reaches(holds("a", 0))
            await app.dispatch(Open(account_id="b"))
            for amount in range(1, 4):
                await app.dispatch(ONE)
                await followed.reaches(holds("a", amount))
            assert followed.answers == [None, *(holds("a", amount) for amount in range(4))]

    async def test_changes_of_another_process_are_seen(self, new_store: NewStore) -> None:
        """A process without workers sees the changes of a worker."""
        async with (
            new_store([]) as store,
            running(store) as worker,
            running(store, work=False) as front,
            following(front, GetBalance(account_id="a")) as followed,
        ):
            await worker.dispatch(Open(account_id="a"))
            await followed.reaches(holds("a", 0))
            await worker.dispatch(ONE)
            await followed.reaches(holds("a", 1))

    async def test_changes_during_a_pause_give_one_answer(self, new_store: NewStore) -> None:
        """A consumer that is busy during many changes gets the last answer next."""
        async with (
            new_store([]) as store,
            running(store) as app,
            following(app, GetBalance(account_id="a")) as followed,
        ):
            await app.dispatch(Open(account_id="a"))
            await followed.reaches(holds("a", 0))
            followed.held = True
            for _ in range(MANY):
                await app.dispatch(ONE)
            await settled(app)
            followed.release()
            await followed.reaches(holds("a", MANY))
            amounts = [each.balance for each in followed.answers if each is not None]
            assert amounts[0] == 0
            assert len(amounts) <= 3  # the first change may have been answered before the consumer was held

    async def test_the_last_change_is_never_missed(self, new_store: NewStore) -> None:
        """Answers ascend while commands change the row, and the last answer is that of the last change."""
        async with (
            new_store([]) as store,
            running(store) as app,
            following(app, GetBalance(account_id="a")) as followed,
        ):
            await app.dispatch(Open(account_id="a"))
            for total in range(1, 31, 3):
                for _ in range(3):
                    await app.dispatch(ONE)
                await followed.reaches(holds("a", total + 2))
            amounts = [each.balance for each in followed.answers if each is not None]
            assert amounts == sorted(set(amounts))

    async def test_a_session_sees_its_own_writes_first(self, new_store: NewStore) -> None:
        """The first answer contains the writes of the session, or the call fails at its timeout."""
        query = GetBalance(account_id="a")
        async with new_store([]) as store, running(store, work=False) as front:
            session = front.session()
            await session.dispatch(Open(account_id="a"))
            with pytest.raises(ReadNotReady):
                await anext(session.subscribe(query, timeout=0.05))
            async with running(store), aclosing(session.subscribe(query, timeout=CEILING)) as answers:
                assert await anext(answers) == holds("a", 0)
            async with aclosing(front.subscribe(query, timeout=CEILING, after=session.token)) as answers:
                assert await anext(answers) == holds("a", 0)

    async def test_the_queries_of_the_handler_count(self, new_store: NewStore) -> None:
        """A live query also notices changes of the read models of queries that its handler executes."""
        async with (
            new_store([]) as store,
            running(store, asking()) as app,
            following(app, Ask(account_id="a")) as asked,
        ):
            await asked.reaches(None)
            await app.dispatch(Open(account_id="a"))
            await asked.reaches(holds("a", 0))

    async def test_inline_projections_count(self, new_store: NewStore, capabilities: Capabilities) -> None:
        """A live query notices the commit of another process that changes the rows of an inline projection."""
        if not capabilities.inline:
            pytest.skip("rows and events are in two stores")
        router = inline_openings()
        async with (
            new_store([Opening]) as store,
            running(store, router) as other,
            running(store, router, work=False) as front,
            following(front, GetOpening(account_id="a")) as followed,
        ):
            await followed.reaches(None)
            await other.dispatch(Open(account_id="a"))
            await followed.reaches(Opening(account_id="a"))

    async def test_a_retried_event_is_a_change(self, new_store: NewStore) -> None:
        """An answer follows when an operator retries a parked event, although no event was appended."""
        fail_on = {"a"}
        async with (
            new_store([]) as store,
            running(store, auditing(fail_on=fail_on)) as app,
            following(app, GetAudit(account_id="a")) as followed,
        ):
            await app.dispatch(Open(account_id="a"))
            await app.dispatch(ONE)
            await settled(app)
            await followed.reaches(Audit(account_id="a", seen=("opened",)))
            fail_on.clear()
            await app.operations.retry("audit")
            await followed.reaches(Audit(account_id="a", seen=("opened", "1")))

    async def test_it_ends_when_the_application_stops(self, new_store: NewStore) -> None:
        """The iteration ends when the application stops."""
        followed = Followed()
        async with new_store([]) as store, anyio.create_task_group() as tasks:
            async with running(store) as app:
                tasks.start_soon(followed.follow, app, GetBalance(account_id="a"))
                await followed.reaches(None)
            with in_time():
                await followed.until(lambda: followed.ended)

    async def test_it_is_refused_where_it_cannot_work(self, new_store: NewStore) -> None:
        """A live query is refused inside a handler, and without a handler of its own."""

        class Watch(Command[None]):
            pass

        class Unknown(Query[int]):
            pass

        router = Router("watching")

        @router.command_handler(Watch)
        async def watch(command: Watch, session: Session) -> None:
            await anext(session.subscribe(GetBalance(account_id="a")))

        async with new_store([]) as store, running(store, router) as app:
            with pytest.raises(ConfigurationError, match="cannot subscribe to GetBalance inside a handler"):
                await app.dispatch(Watch())
            with pytest.raises(NoHandler):
                await anext(app.subscribe(Unknown()))
