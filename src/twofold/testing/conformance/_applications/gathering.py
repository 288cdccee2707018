"""Scatter-gather: several answerers of one query, in this application and in others, one of which fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import anyio
import pytest

from twofold import Application, AtLeast, Query
from twofold.errors import (
    AnswerTimeout,
    ConfigurationError,
    InvalidAnswer,
    NoHandler,
    NoRemoteService,
    RemoteFailure,
    TooFewAnswers,
)
from twofold.ports import Requests, WriteStore

from .._domain.offers import GetPrice, Price, SoldOut, depot, pricing, shop, started
from .._tools.in_time import CEILING, in_time
from .._tools.requests_opened import NewRequests

LATE = 3.0
"""The timeout of a call with an answerer that does not answer, in seconds."""

ANSWERS = {"here": 100, "north": 110}

_HERE = pricing(100)

NewWriteStore: TypeAlias = Callable[[], WriteStore]
"""Returns a store without tables, which the suite prepares; a fixture."""


class GatheringSuite:
    """The promises of `gather` over a broker for requests. Needs the fixtures `new_requests` and `new_write_store`."""

    async def test_all_answer_at_the_same_time(self, new_requests: NewRequests, new_write_store: NewWriteStore) -> None:
        """All answerers are asked at the same time, and their answers are complete."""
        begun, all_begun = set[int](), anyio.Event()

        def meeting(cents: int) -> Price:
            async def price(query: GetPrice) -> int:
                begun.add(cents)
                if len(begun) == 3:
                    all_begun.set()
                await all_begun.wait()
                return cents

            return price

        async with (
            new_requests() as connect,
            depot("north", new_write_store(), await connect(), meeting(110)),
            depot("south", new_write_store(), await connect(), meeting(120)),
            shop(new_write_store(), await connect(), "north", "south", here=meeting(100)) as app,
        ):
            with in_time():
                gathered = await app.gather(GetPrice(), timeout=CEILING)
            assert gathered.answers == {**ANSWERS, "south": 120}
            assert gathered.complete

    async def test_one_is_down(self, new_requests: NewRequests, new_write_store: NewWriteStore) -> None:
        """An application that was never started is a failure. `AtLeast` returns the others as partial answers."""
        async with three(new_requests, new_write_store) as app:
            gathered = await app.gather(GetPrice(), policy=AtLeast(2), timeout=CEILING)
            assert gathered.answers == ANSWERS
            assert isinstance(gathered.failures["south"], NoRemoteService)
            assert not gathered.complete
            with pytest.raises(TooFewAnswers, match=r"'all' needs 3.*south: NoRemoteService") as error:
                await app.gather(GetPrice(), timeout=CEILING)
            assert list(error.value.failures) == ["south"]
            with pytest.raises(TooFewAnswers, match=r"AtLeast\(number=3\) needs 3"):
                await app.gather(GetPrice(), policy=AtLeast(3), timeout=CEILING)

    async def test_one_has_stopped(self, new_requests: NewRequests, new_write_store: NewWriteStore) -> None:
        """An application that has stopped is late at the timeout."""
        async with three(new_requests, new_write_store) as app:
            async with new_depot(new_write_store, app.requests, pricing(120)):
                assert (await app.gather(GetPrice(), timeout=CEILING)).complete
            gathered = await app.gather(GetPrice(), policy=AtLeast(1), timeout=LATE)
            assert gathered.answers == ANSWERS
            assert isinstance(gathered.failures["south"], AnswerTimeout)
            assert not gathered.complete

    async def test_one_is_slow(self, new_requests: NewRequests, new_write_store: NewWriteStore) -> None:
        """A slow answerer, here or elsewhere, is late. The answers of the others are returned at the timeout."""
        held = anyio.Event()

        async def slow(query: GetPrice) -> int:
            await held.wait()
            return 1

        async with three(new_requests, new_write_store, here=slow) as app:
            async with new_depot(new_write_store, app.requests, slow):
                with in_time():
                    gathered = await app.gather(GetPrice(), policy=AtLeast(1), timeout=LATE)
                held.set()
            assert gathered.answers == {"north": 110}
            assert {name: type(error) for name, error in gathered.failures.items()} == {
                "here": AnswerTimeout,
                "south": AnswerTimeout,
            }

    async def test_one_raises(self, new_requests: NewRequests, new_write_store: NewWriteStore) -> None:
        """The error of an answerer, here or elsewhere, is its failure and does not affect the others."""

        async def sold_out(query: GetPrice) -> int:
            raise SoldOut(query.article)

        async with three(new_requests, new_write_store, here=sold_out) as app:
            async with new_depot(new_write_store, app.requests, sold_out):
                gathered = await app.gather(GetPrice(), policy=AtLeast(0), timeout=CEILING)
            assert gathered.answers == {"north": 110}
            assert {(name, type(each), str(each)) for name, each in gathered.failures.items()} == {
                ("here", SoldOut, "lamp"),
                ("south", SoldOut, "lamp"),
            }

    async def test_one_is_wrong(self, new_requests: NewRequests, new_write_store: NewWriteStore) -> None:
        """An answer of another type is a failure, and is never among the answers."""

        async def wrong(query: GetPrice) -> int:
            cents: int = "many"  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
            return cents

        async with three(new_requests, new_write_store, here=wrong) as app:
            async with other_release(new_write_store(), app.requests):
                gathered = await app.gather(GetPrice(), policy=AtLeast(1), timeout=CEILING)
            assert gathered.answers == {"north": 110}
            assert isinstance(gathered.failures["here"], InvalidAnswer)
            assert isinstance(gathered.failures["south"], RemoteFailure)

    async def test_the_first_answer(self, new_requests: NewRequests, new_write_store: NewWriteStore) -> None:
        """The policy "first" returns after the first answer, and names the answerers that were cancelled."""

        async def never(query: GetPrice) -> int:
            await anyio.sleep_forever()
            return 1

        async with three(new_requests, new_write_store, here=never) as app:
            with in_time():
                gathered = await app.gather(GetPrice(), policy="first", timeout=CEILING)
            assert gathered.answers == {"north": 110}
            assert "here" in gathered.unfinished
            assert not gathered.complete

    async def test_a_failure_ends_what_needs_all(
        self, new_requests: NewRequests, new_write_store: NewWriteStore
    ) -> None:
        """The policy "all" fails at the first failure, and does not wait for a slow answerer."""

        async def never(query: GetPrice) -> int:
            await anyio.sleep_forever()
            return 1

        async with three(new_requests, new_write_store, here=never) as app:
            with in_time(), pytest.raises(TooFewAnswers) as error:
                await app.gather(GetPrice(), timeout=CEILING)
            assert "here" in error.value.unfinished

    async def test_a_call_that_cannot_work(self, new_requests: NewRequests, new_write_store: NewWriteStore) -> None:
        """A policy that needs too many answers, a query without answerers, and a single answer are refused."""

        class Other(Query[int]):
            pass

        async with three(new_requests, new_write_store) as app:
            with pytest.raises(ConfigurationError, match="3 answerer"):
                await app.gather(GetPrice(), policy=AtLeast(4))
            with pytest.raises(NoHandler, match=r"GetPrice"):
                await app.gather(Other())
            with pytest.raises(NoHandler, match=r"app\.gather"):
                await app.execute(GetPrice())


class Asking:
    """The shop, with its connection to the broker."""

    def __init__(self, app: Application, requests: Requests) -> None:
        self.gather = app.gather
        self.execute = app.execute
        self.requests = requests


@asynccontextmanager
async def three(
    new_requests: NewRequests, new_write_store: NewWriteStore, *, here: Price = _HERE
) -> AsyncIterator[Asking]:
    """Run a shop that asks itself, a depot "north" that runs, and a depot "south" that does not run yet."""
    async with (
        new_requests() as connect,
        depot("north", new_write_store(), await connect(), pricing(110)),
        shop(new_write_store(), await connect(), "north", "south", here=here) as app,
    ):
        yield Asking(app, await connect())


@asynccontextmanager
async def new_depot(new_write_store: NewWriteStore, requests: Requests, price: Price) -> AsyncIterator[None]:
    """Run the depot "south"."""
    async with depot("south", new_write_store(), requests, price):
        yield


@asynccontextmanager
async def other_release(store: WriteStore, requests: Requests) -> AsyncIterator[None]:
    """Run the depot "south" in a release in which the answer has another type."""

    class GetPriceText(Query[str], name="offers.price"):
        article: str

    app = Application("south", write=store, requests=requests)

    @app.query_handler(GetPriceText)
    async def price(query: GetPriceText) -> str:
        return "many"

    app.serve(GetPriceText)
    async with started(app):
        yield
