"""Including handlers in an application."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.domains.orders import Ask, Place
from twofold import Application, Router
from twofold._buses.chain import CallNext
from twofold.errors import ConfigurationError


@pytest.mark.parametrize(
    ("given", "text"), [("billing", "Give a Router"), (re, "Give the Router that is defined in it")]
)
def test_including_the_wrong_thing(app: Application, given: Any, text: str) -> None:
    """`include` requires a `Router`, and refuses the name of a router and a Python module."""
    with pytest.raises(ConfigurationError, match=rf"cannot include .*{text}"):
        app.include(given)


async def test_a_module_that_is_included_twice(app: Application) -> None:
    """Including a router again adds only its new handlers."""
    calls: list[str] = []
    router = Router("twice")

    async def noting(message: Any, call_next: CallNext) -> Any:
        calls.append(type(message).__name__)
        return await call_next(message)

    router.use(noting)
    router.command_handler(Place)(lambda command: "placed")
    app.include(router)
    router.query_handler(Ask)(lambda query: "asked")
    app.include(router)
    async with app:
        assert [await app.dispatch(Place()), await app.execute(Ask())] == ["placed", "asked"]
    assert calls == ["Place", "Ask"]
