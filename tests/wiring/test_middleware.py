"""Middleware that cannot be called as one is a fault."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.domains.orders import Place
from tests.wiring.faults import faults_of
from twofold import Application, Command, CommandBus, EventBus, QueryBus
from twofold._buses.chain import CallNext
from twofold.errors import ConfigurationError
from twofold.middleware import authorise, logging, retry_conflicts
from twofold_memory import InMemory


def plain(message: Any, call_next: Any) -> Any:
    """Call on without being async."""
    return call_next(message)


class Object:
    """A middleware that is an object."""

    async def __call__(self, message: Any, call_next: CallNext) -> Any:
        return await call_next(message)


WRONG = [
    (
        retry_conflicts,
        "retry_conflicts cannot be called with a message and call_next, .*call it first: retry_conflicts",
    ),
    (logging, "logging cannot be called with"),
    (authorise, "authorise cannot be called with"),
    (plain, "plain is not a middleware: it is not async"),
    ("audit", "'audit' is not a middleware"),
]


@pytest.mark.parametrize(("given", "text"), WRONG)
def test_a_middleware_that_cannot_be_one(given: Any, text: str) -> None:
    """A factory that was not called, and a function that is not async, are faults."""
    app = Application("wiring", write=InMemory(), middleware=[given])
    app.use(given, on=Command)
    assert len(re.findall(text, faults_of(app))) == 2
    for bus in (CommandBus, QueryBus, EventBus):
        with pytest.raises(ConfigurationError, match=text):
            bus(middleware=[given])


def test_a_middleware_on_an_object(app: Application) -> None:
    """`on=` requires a class of messages."""
    app.use(Object(), on=Place())  # type: ignore[arg-type]
    assert re.search("on=Place.*is not a class", faults_of(app))


def test_a_middleware_object_and_a_factory(app: Application) -> None:
    """A callable object and the result of a factory are middleware."""
    app.use(Object())
    app.use(retry_conflicts(), on=Command)
    app.check()
