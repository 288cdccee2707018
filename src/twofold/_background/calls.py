"""Calls of async methods that were never awaited, found when a handler ends."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from inspect import CORO_CREATED, getcoroutinestate
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar, cast

from ..errors import NotAwaited

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_MANY: Final = 64
"""The number of recorded calls at which awaited calls are dropped for the first time."""


Calls: TypeAlias = list[Any]
"""The calls that one handler made of its parameters: coroutines."""


def note(call: Coroutine[Any, Any, T], calls: Calls) -> Coroutine[Any, Any, T]:
    """Record a call, and return it.

    A call takes the place of the call before it, if that one has returned: most handlers await one call after another.
    """
    if calls and calls[-1].cr_frame is None:
        calls[-1] = call
        return call
    count = len(calls)
    if count >= _MANY and not count & (
        count - 1
    ):  # at powers of two, so that many concurrent calls are not read each time
        calls[:] = [each for each in calls if _is_pending(each)]
    calls.append(call)
    return call


def check_awaited(calls: Calls) -> None:
    """Check that every call was awaited.

    Raises:
        NotAwaited: a call was not.
    """
    for call in calls:
        if call.cr_frame is not None:  # a coroutine that has returned has no frame
            break
    else:
        return
    pending = [each for each in calls if _is_pending(each)]
    calls.clear()
    for call in pending:
        call.close()  # otherwise Python warns of it as well
    if pending:
        names = ", ".join(f"{getattr(each, '__qualname__', repr(each))}()" for each in pending)
        raise NotAwaited(
            f"{names} was called and never awaited, so it did nothing. Nothing was written. Write `await` before the "
            "call, and await tasks before the handler ends."
        )


def coroutine_function(function: F) -> F:
    """Mark a function that returns a coroutine as a coroutine function.

    Frameworks ask `iscoroutinefunction` whether to await the result or to call the function in a thread, where the coroutine
    would be lost: the background tasks of Starlette are an example.
    """
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(function)
    marked: Any = function
    marked._is_coroutine = cast(Any, asyncio.coroutines)._is_coroutine  # how Python 3.11 marks such functions
    return function


def recorded(
    method: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Record each call of an async method.

    Its object has `_calls`: the `Calls` of the handler, or None outside of a handler.
    """

    @coroutine_function
    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        parameter: Any = args[0]
        made, calls = method(*args, **kwargs), parameter._calls
        if calls is None:
            return made
        if calls and calls[-1].cr_frame is None:  # as in `note`, without a call: rows are written for each event
            calls[-1] = made
            return made
        return note(made, calls)

    return call


def _is_pending(call: Any) -> bool:
    return call.cr_frame is not None and getcoroutinestate(call) == CORO_CREATED
