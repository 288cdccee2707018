"""The steps of telemetry: around a message, around its handler, and around the wait for consistency.

They are part of a pipeline only if telemetry is on.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractContextManager, aclosing
from functools import partial
from typing import Any, Literal, TypeAlias

import anyio

from .._buses.no_handler import Handle
from .._consistency.token import Written
from .._consistency.waiting import Consistency, WaitFor
from .._definitions.message import Message
from .._telemetry.metrics import (
    HANDLER_DURATION,
    MESSAGE_KIND,
    MESSAGE_TYPE,
    QUERY_DURATION,
    SUBSCRIPTION,
    WAIT_DURATION,
)
from .._telemetry.recorder import Recorder, Trace
from .._telemetry.spans import DISPATCH, HANDLE
from .binding import Invoke
from .caller import Caller, current_caller
from .scope import Scope
from .steps import Step

Kind: TypeAlias = Literal["command", "query", "event"]


def type_name(message: type[Message]) -> str:
    """Return the name of a type of message in telemetry: its stable name, or else the name of its class."""
    return message.message_name or message.__name__


def telemetry_steps(recorder: Recorder, kind: Kind, message: type[Message], *, streams: bool = False) -> list[Step]:
    """Return the step that records a message, the outermost one."""
    text = "telemetry: the span of the message" + (" and its duration" if kind == "query" else "")
    return [Step("telemetry", text, partial(_recorded, recorder, kind, message, streams))]


def _recorded(recorder: Recorder, kind: Kind, message: type[Message], streams: bool, handle: Handle) -> Handle:
    name = type_name(message)
    attributes = recorder.attributes({MESSAGE_KIND: kind, MESSAGE_TYPE: name})
    labels = recorder.attributes({MESSAGE_TYPE: name})
    duration = QUERY_DURATION if kind == "query" else None

    async def recorded(message: Any) -> Any:
        with recorder.span(DISPATCH, name, attributes, parent=_session_trace(), duration=duration, labels=labels):
            return await handle(message)

    async def stream(message: Any) -> Any:
        span = recorder.span(
            DISPATCH, name, attributes, parent=_session_trace(), duration=duration, labels=labels, current=False
        )
        return _items(span, await handle(message))

    return stream if streams else recorded


def _session_trace() -> Trace | None:
    """Return the trace of the session that dispatches a message here."""
    caller = current_caller()
    return caller.conversation.origin.trace if isinstance(caller, Caller) and caller.scope is None else None


async def _items(span: AbstractContextManager[object], items: AsyncGenerator[Any]) -> AsyncGenerator[Any]:
    """Iterate over a stream inside its span, which ends with the stream."""
    with span:
        async with aclosing(items):
            async for item in items:
                yield item


def recorded_handler(
    recorder: Recorder,
    kind: Kind,
    message: type[Message],
    invoke: Invoke,
    *,
    streams: bool = False,
    subscription: str | None = None,
) -> Invoke:
    """Return a handler that records its span and its duration. A stream, where no span is current, has its duration only."""
    name = type_name(message)
    found = {MESSAGE_KIND: kind, MESSAGE_TYPE: name}
    attributes = found if subscription is None else {**found, SUBSCRIPTION: subscription}
    labels = recorder.attributes(attributes)

    async def command(scope: Scope, message: Any) -> Any:
        scope.envelope  # noqa: B018 -- made while the span of the message is current, whose trace it carries
        with recorder.span(HANDLE, name, attributes, duration=HANDLER_DURATION, labels=labels):
            return await invoke(scope, message)

    async def query(scope: Scope, message: Any) -> Any:
        with recorder.span(HANDLE, name, attributes, duration=HANDLER_DURATION, labels=labels):
            return await invoke(scope, message)

    async def stream(scope: Scope, message: Any) -> Any:
        return _items(recorder.measured(HANDLER_DURATION, labels), await invoke(scope, message))

    return command if kind != "query" else stream if streams else query


def recorded_wait(recorder: Recorder, consistency: Consistency) -> WaitFor:
    """Return how queries wait for projections. The time is recorded for each of them."""

    async def wait(projections: Sequence[str], written: Written, seconds: float) -> None:
        deadline = anyio.current_time() + seconds
        for each in projections:
            with recorder.measured(WAIT_DURATION, recorder.attributes({SUBSCRIPTION: each})):
                await consistency.wait([each], written, max(0.0, deadline - anyio.current_time()))

    return wait
