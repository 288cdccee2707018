"""Frameworks recognise the async calls as coroutine functions, and await them instead of calling them in a thread."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable
from typing import Any

import pytest

from twofold import Application, CommandBus, EventBus, QueryBus, Repository, Session
from twofold_memory import InMemory

CALLS = [
    Application("calls", write=InMemory()).dispatch,
    CommandBus().dispatch,
    QueryBus().execute,
    EventBus().publish,
    Session.dispatch,
    Session.execute,
    Repository.add,
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__qualname__)
def test_a_call_is_a_coroutine_function(call: Callable[..., Any]) -> None:
    """A function that notes its calls, or that returns a coroutine, is recognised as if it were declared with `async`."""
    module: Any = inspect if sys.version_info >= (3, 12) else asyncio
    assert module.iscoroutinefunction(call)
