"""The way of a message through an application: from the bus to its handler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any, cast

from .._background.key_locks import KeyLocks
from .._buses.chain import Middleware, compose
from .._buses.no_handler import Handle
from ..errors import AfterCommitFailed
from .invocation import Invoke
from .once import claiming, in_turn
from .scope import Scope, current
from .services import Services


def command_route(
    invoke: Invoke, services: Services, committed: Callable[[], None], inside: Sequence[Middleware]
) -> Handle:
    """Return the innermost part of a command's way: its unit of work, and its handler in it.

    Args:
        invoke: calls the handler.
        services: what the application offers.
        committed: called after events were committed.
        inside: middleware that runs inside the unit of work.
    """
    if inside:
        invoke = _with_inside(invoke, inside)

    async def handle(command: Any) -> Any:
        parent = current.get()
        if parent is not None and parent.message is not None:
            return await _nested(invoke, services, command, parent)
        scope = Scope(services, command, parent.session if parent is not None else None)
        mark = current.set(scope)
        try:
            result = await invoke(scope, command)
            unit = scope.unit
            stored = () if unit is None or unit.end_untouched() else await unit.commit()
        except BaseException as failure:
            if scope.unit is not None:
                await scope.unit.rollback()
            await scope.close(failure)
            raise
        finally:
            current.reset(mark)
            scope.ended = True
        if stored:
            scope.session.wrote(stored)
            committed()
        if scope.open:
            await scope.close()
        if unit is not None and unit.has_after_commit:
            await _after_commit(unit.run_after_commit, result)
        return result

    return handle


def once_route(
    invoke: Invoke, services: Services, committed: Callable[[], None], inside: Sequence[Middleware], locks: KeyLocks
) -> Handle:
    """Return the same for a command that takes effect once: `asked` says by what, and `locks` lets repeats wait."""
    invoke = _with_inside(invoke, inside) if inside else invoke
    return in_turn(command_route(claiming(invoke), services, committed, ()), locks)


async def _after_commit(run: Callable[[], Any], result: Any) -> None:
    try:
        await run()
    except AfterCommitFailed as failure:
        failure.result = result
        raise


async def _nested(invoke: Invoke, services: Services, command: Any, parent: Scope) -> Any:
    parent.check_nested(command)
    scope = Scope(services, command, parent.session, parent)
    scope.unit = parent.unit_of_work()
    mark = current.set(scope)
    try:
        result = await invoke(scope, command)
    except BaseException as failure:
        await scope.close(failure)
        raise
    finally:
        current.reset(mark)
    await scope.close()
    return result


def _with_inside(invoke: Invoke, inside: Sequence[Middleware]) -> Invoke:
    async def last(message: Any) -> Any:
        return await invoke(cast(Scope, current.get()), message)

    chain = compose(inside, last)
    return lambda scope, message: chain(message)


def one_at_a_time(handle: Handle, field: str, locks: KeyLocks) -> Handle:
    """Let commands whose key field is equal run one after another; nested ones run within their outer command."""

    async def keyed(command: Any) -> Any:
        parent = current.get()
        if parent is not None and parent.message is not None:
            return await handle(command)
        async with locks.hold(getattr(command, field)):
            return await handle(command)

    return keyed


def query_route(invoke: Invoke, services: Services) -> Handle:
    """Return the innermost part of a query's way: its handler, in a scope that cannot write."""

    async def handle(query: Any) -> Any:
        parent = current.get()
        scope = Scope(services, query, parent.session if parent is not None else None, parent, read_only=True)
        try:
            result = await invoke(scope, query)
            if scope.unit is not None:
                scope.unit.check_nothing_recorded()
        except BaseException as failure:
            await scope.close(failure)
            raise
        await scope.close()
        return result

    return handle


def stream_route(invoke: Invoke, services: Services) -> Handle:
    """Return the same for a query answered by an async generator: its scope closes when the generator does."""

    async def handle(query: Any) -> Any:
        return items(query)

    async def items(query: Any) -> Any:
        parent = current.get()
        scope = Scope(services, query, parent.session if parent is not None else None, parent, read_only=True)
        try:
            async with aclosing(await invoke(scope, query)) as answer:
                async for item in answer:
                    yield item
            if scope.unit is not None:
                scope.unit.check_nothing_recorded()
        finally:
            await scope.close()

    return handle
