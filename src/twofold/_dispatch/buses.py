"""The buses inside an application: pipelines handle commands and queries, and events are recorded."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar, cast

from .._background.calls import coroutine_function, note
from .._buses.command_bus import CommandBus
from .._buses.event_bus import EventBus
from .._buses.no_handler import no_handler, no_single_answer, no_stream
from .._buses.query_bus import QueryBus
from .._definitions.message import Command, Event, Query
from ..errors import ApplicationNotRunning, ConfigurationError
from .caller import Caller, Wait, current_caller, handling
from .steps import Pipeline

R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class PipelineCommandBus(CommandBus):
    """Dispatches commands to the pipelines of an application. Inside a handler, a command joins its unit of work.

    Attributes:
        pipelines: the pipeline of each command.
    """

    pipelines: Mapping[type[Command[Any]], Pipeline]

    def handler(self, command_type: type[Any]) -> NoReturn:
        raise _not_here("command", command_type)

    @coroutine_function
    def dispatch(self, command: Command[R]) -> Coroutine[Any, Any, R]:
        try:
            pipeline = self.pipelines[type(command)]
        except KeyError:
            raise no_handler("command", command, self.pipelines) from None
        return _recorded(pipeline.handle(command))


@dataclass(frozen=True, eq=False)
class PipelineQueryBus(QueryBus):
    """Executes queries with the pipelines of an application.

    In the handler of a query of a session, a query waits for its projections, as the query of the session does.

    Attributes:
        pipelines: the pipeline of each query.
    """

    pipelines: Mapping[type[Query[Any]], Pipeline]

    def handler(self, query_type: type[Any]) -> NoReturn:
        raise _not_here("query", query_type)

    @coroutine_function
    def execute(self, query: Query[R]) -> Coroutine[Any, Any, R]:
        pipeline, caller = answering(self.pipelines, query), current_caller()
        if caller is None:
            return pipeline.handle(query)
        if pipeline.reads and isinstance(caller, Caller) and caller.wait is not None:
            return _recorded(_after(caller.wait, pipeline, query))
        return _recorded(pipeline.handle(query))

    async def stream(self, query: Query[AsyncIterator[R]]) -> AsyncGenerator[R]:
        pipeline, caller = streaming(self.pipelines, query), current_caller()
        if pipeline.reads and isinstance(caller, Caller) and caller.wait is not None:
            await caller.wait(pipeline.reads)
        async with aclosing(await pipeline.handle(query)) as items:
            async for item in items:
                yield item


def answering(pipelines: Mapping[type[Query[Any]], Pipeline], query: Query[Any]) -> Pipeline:
    """Return the pipeline that answers a query with one result.

    Raises:
        NoHandler: there is none.
    """
    try:
        pipeline = pipelines[type(query)]
    except KeyError:
        raise no_handler("query", query, pipelines) from None
    if pipeline.streams:
        raise no_single_answer(query)
    return pipeline


def streaming(pipelines: Mapping[type[Query[Any]], Pipeline], query: Query[Any]) -> Pipeline:
    """Return the pipeline that answers a query with a stream.

    Raises:
        NoHandler: there is none.
    """
    pipeline = pipelines.get(type(query))
    if pipeline is None:
        raise no_handler("query", query, pipelines)
    if not pipeline.streams:
        raise no_stream(query)
    return pipeline


async def _after(wait: Wait, pipeline: Pipeline, query: Query[R]) -> R:
    await wait(pipeline.reads)
    return cast(R, await pipeline.handle(query))


@dataclass(frozen=True, eq=False)
class RecordingEventBus(EventBus):
    """Records events in the unit of work of the message that is being handled."""

    def handler(self, *event_types: type[Event]) -> NoReturn:
        raise _not_here("event", event_types[0] if event_types else Event)

    @coroutine_function
    def publish(self, event: Event, *, stream: str | None = None) -> Coroutine[Any, Any, None]:
        """Record an event. It reaches subscribers through the event log, after the commit.

        Args:
            event: the event.
            stream: the stream to append to; see `UnitOfWork.record`.

        Raises:
            ApplicationNotRunning: no command or event is being handled here.
        """
        return _recorded(self._publish(event, stream))

    async def _publish(self, event: Event, stream: str | None) -> None:
        scope = handling()
        if scope is None:
            raise ApplicationNotRunning(
                f"cannot publish {type(event).__name__} here: no command is being handled. "
                "Publish in a command handler or an event handler, so that the event is committed with its changes."
            )
        scope.unit_of_work().record(event, stream=stream)


def _recorded(call: Coroutine[Any, Any, R]) -> Coroutine[Any, Any, R]:
    """Record a call with the handler that makes the call, if there is one."""
    scope = handling()
    return call if scope is None else note(call, scope.calls)


def _not_here(kind: str, message_type: type[Any]) -> ConfigurationError:
    name = message_type.__name__
    return ConfigurationError(
        f"cannot register a handler of {kind} {name} on the bus of an application, which is assembled already. Register it "
        f"with @app.{kind}_handler({name}, …) before the application starts."
    )
