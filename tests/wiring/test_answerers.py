"""Faults of queries with several answerers, and how `explain` shows them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from twofold import Application, AtLeast, Cache, Query, Router
from twofold.errors import ConfigurationError, InvalidDefinition, WiringError
from twofold_memory import InMemory, InMemoryTransport


class GetPrice(Query[int], name="answerers.price"):
    article: str


class Nameless(Query[int]):
    pass


class Listed(Query[AsyncIterator[int]]):
    pass


async def price(query: GetPrice) -> int:
    return 1


def named(router: Router, *names: str) -> None:
    """Register an answerer of each name."""
    for name in names:
        router.query_handler(GetPrice, many=True, name=name)(price)


def streaming(app: Application) -> None:
    @app.query_handler(Listed, many=True, name="a")
    async def listed(query: Listed) -> AsyncIterator[int]:
        yield 1


def mixed(app: Application) -> None:
    named(app, "a")
    app.query_handler(GetPrice)(price)


def served(app: Application) -> None:
    named(app, "a", "b")
    app.serve(GetPrice)


def twice(app: Application) -> None:
    named(app, "depot")
    app.remote_answerer(GetPrice, service="depot")


def of_itself(app: Application) -> None:
    app.remote_answerer(GetPrice, service="shop")


def of_nameless(app: Application) -> None:
    app.remote_answerer(Nameless, service="depot")


def at_no_name(app: Application) -> None:
    app.remote_answerer(GetPrice, service="de pot")


def with_a_group(app: Application) -> None:
    app.remote_answerer(GetPrice, service="depot", errors=[ExceptionGroup])


@pytest.mark.parametrize(
    ("register", "fault"),
    [
        (lambda app: named(app, "a", "a"), "two answerers of GetPrice are named 'a'"),
        (twice, "two answerers of GetPrice are named 'depot'"),
        (mixed, "GetPrice has several answerers, and a handler without a name"),
        (streaming, "Listed has several handlers, and 'a' streams"),
        (served, "GetPrice is served and has several answerers"),
        (of_itself, "'shop' is the remote answerer of its own query GetPrice"),
        (of_nameless, "Nameless is sent to 'depot' and has no stable name"),
        (at_no_name, "the remote answerer 'de pot' of GetPrice is not valid"),
        (with_a_group, "the remote answerer 'depot' of GetPrice is not valid"),
    ],
)
def test_check_finds_the_fault(register: Callable[[Application], Any], fault: str) -> None:
    """`check` reports answerers that share a name, and answerers that cannot answer."""
    app = Application("shop", write=InMemory(), transport=InMemoryTransport())
    register(app)
    with pytest.raises(WiringError, match="1 fault") as error:
        app.check()
    assert fault in str(error.value)


def test_a_remote_answerer_needs_requests() -> None:
    """`check` reports that nothing carries the requests."""
    app = Application("shop", write=InMemory())
    app.remote_answerer(GetPrice, service="depot")
    with pytest.raises(WiringError, match="'depot' answers GetPrice, and nothing carries requests"):
        app.check()


def test_an_expected_query_may_have_answerers() -> None:
    """A query that is expected has a handler when it has an answerer, here or elsewhere."""
    app = Application("shop", write=InMemory(), transport=InMemoryTransport())
    app.remote_answerer(GetPrice, service="depot")
    app.expects(GetPrice)
    app.check()


def test_explain_shows_every_answerer() -> None:
    """`explain` prints the steps of each handler with its name, and the applications that are asked."""
    app = Application("shop", write=InMemory(), transport=InMemoryTransport())
    named(app, "a", "b")
    app.remote_answerer(GetPrice, service="depot")
    text = app.explain(GetPrice)
    assert "1. gather: asks a, b, depot at the same time" in text
    assert "b: handler price" in text
    assert "depot: request to the application 'depot'" in text


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"many": True}, "name= is missing"),
        ({"many": True, "name": ""}, "is not valid"),
        ({"name": "a"}, "only one of several handlers has a name"),
        ({"many": True, "name": "a", "cache": Cache(ttl=1, key="a")}, "a query with several handlers has no cache"),
    ],
)
def test_the_decorator_checks_its_options(options: dict[str, Any], wrong: str) -> None:
    """A handler of several has a name and no cache; a single handler has no name."""
    with pytest.raises(InvalidDefinition, match=wrong):
        Router("prices").query_handler(GetPrice, **options)


@pytest.mark.parametrize("number", [-1, True, 1.5, "2", None])
def test_at_least_takes_a_number(number: Any) -> None:
    """`AtLeast` takes an int of at least 0."""
    with pytest.raises(ConfigurationError, match="must be an int of at least 0"):
        AtLeast(number)
