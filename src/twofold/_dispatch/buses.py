"""The buses inside an application: pipelines handle commands and queries, and events are recorded."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, NoReturn, TypeVar

from .._buses.command_bus import CommandBus
from .._buses.event_bus import EventBus
from .._buses.no_handler import no_handler, no_single_answer, no_stream
from .._buses.query_bus import QueryBus
from .._definitions.message import Command, Event, Query
from ..errors import ApplicationNotRunning, ConfigurationError
from .caller import handling
from .steps import Pipeline

R = TypeVar("R")


class PipelineCommandBus(CommandBus):
    """Dispatches commands to the pipelines of an application. Inside a handler, a command joins its unit of work.

    Args:
        pipelines: the pipeline of each command.
    """

    def __init__(self, pipelines: Mapping[type[Command[Any]], Pipeline]) -> None:
        self._pipelines = pipelines

    def handler(self, command_type: type[Any]) -> NoReturn:
        raise _not_here("command", command_type)

    def dispatch(self, command: Command[R]) -> Coroutine[Any, Any, R]:
        try:
            pipeline = self._pipelines[type(command)]
        except KeyError:
            raise no_handler("command", command, self._pipelines) from None
        return pipeline.handle(command)


class PipelineQueryBus(QueryBus):
    """Executes queries with the pipelines of an application.

    Args:
        pipelines: the pipeline of each query.
    """

    def __init__(self, pipelines: Mapping[type[Query[Any]], Pipeline]) -> None:
        self._pipelines = pipelines

    def handler(self, query_type: type[Any]) -> NoReturn:
        raise _not_here("query", query_type)

    def execute(self, query: Query[R]) -> Coroutine[Any, Any, R]:
        try:
            pipeline = self._pipelines[type(query)]
        except KeyError:
            raise no_handler("query", query, self._pipelines) from None
        if pipeline.streams:
            raise no_single_answer(query)
        return pipeline.handle(query)

    async def stream(self, query: Query[AsyncIterator[R]]) -> AsyncGenerator[R]:
        pipeline = self._pipelines.get(type(query))
        if pipeline is None:
            raise no_handler("query", query, self._pipelines)
        if not pipeline.streams:
            raise no_stream(query)
        async with aclosing(await pipeline.handle(query)) as items:
            async for item in items:
                yield item


class RecordingEventBus(EventBus):
    """Records events in the unit of work of the message that is being handled."""

    def __init__(self) -> None:
        pass

    def handler(self, *event_types: type[Event]) -> NoReturn:
        raise _not_here("event", event_types[0] if event_types else Event)

    async def publish(self, event: Event, *, stream: str | None = None) -> None:
        """Record an event. It reaches subscribers through the event log, after the commit.

        Args:
            event: the event.
            stream: the stream to append to; by default the stream with the name of the event.

        Raises:
            ApplicationNotRunning: no command or event is being handled here.
        """
        scope = handling()
        if scope is None:
            raise ApplicationNotRunning(
                f"cannot publish {type(event).__name__} here: no command is being handled. "
                "Publish in a command handler or an event handler, so that the event is committed with its changes."
            )
        scope.unit_of_work().record(event, stream=stream)


def _not_here(kind: str, message_type: type[Any]) -> ConfigurationError:
    name = message_type.__name__
    return ConfigurationError(
        f"cannot register a handler of {kind} {name} on the bus of an application, which is assembled already. Register it "
        f"with @app.{kind}_handler({name}, …) before the application starts."
    )
