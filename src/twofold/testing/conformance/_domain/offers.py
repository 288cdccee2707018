"""The domain of the suite about scatter-gather: a shop asks several depots for the price of an article."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from twofold import Application, Query, Router
from twofold.ports import Requests, WriteStore

from .._tools.in_time import WHOLE_TEST, in_time

Price = Callable[["GetPrice"], Awaitable[int]]
"""The handler of a depot."""


class GetPrice(Query[int], name="offers.price"):
    """A query that several depots answer with the price of an article in cents."""

    article: str = "lamp"


class SoldOut(Exception):
    """A depot has no such article."""


def pricing(cents: int) -> Price:
    """Return a handler that answers with a price."""

    async def price(query: GetPrice) -> int:
        return cents

    return price


@asynccontextmanager
async def depot(name: str, store: WriteStore, requests: Requests, price: Price) -> AsyncIterator[Application]:
    """Run an application that serves the query."""
    app = Application(name, write=store, requests=requests)
    app.query_handler(GetPrice)(price)
    app.serve(GetPrice)
    async with started(app):
        yield app


@asynccontextmanager
async def shop(store: WriteStore, requests: Requests, *services: str, here: Price) -> AsyncIterator[Application]:
    """Run the application that asks depots: a handler of its own with the name "here", and other applications."""
    app = Application("shop", write=store, requests=requests)
    router = Router("offers")
    router.query_handler(GetPrice, many=True, name="here")(here)
    for service in services:
        router.remote_answerer(GetPrice, service=service, errors=[SoldOut])
    app.include(router)
    async with started(app):
        yield app


@asynccontextmanager
async def started(app: Application) -> AsyncIterator[None]:
    """Start an application over an empty store."""
    await app.create_schema()
    with in_time(WHOLE_TEST):
        async with app:
            yield
