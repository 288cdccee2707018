"""The subscriptions of processes, the commands that start them, and the command of their timeouts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from .._definitions.message import Command
from .._definitions.process import Process, events_of
from .._definitions.process import started_by as commands_that_start
from .._definitions.subclasses import stored_names
from .._dispatch.binding import Invoke
from .._dispatch.pipeline import called
from .._dispatch.scope import Scope
from .._dispatch.services import Services
from .._processes.inputs import INPUTS, ProcessTimeout, key_in, started_by, stream_of_process, time_out
from .._processes.processor import ProcessProcessor
from .._processes.records import ProcessRecords
from .._registration.entries import CommandEntry, ProcessEntry
from .._registration.places import Place
from .._registration.registered import Registered
from .._remote.buses import RemoteCommandBus
from .._subscriptions.subscription import Subscription
from ..errors import RemoteError
from .check_processes import process_errors
from .parts import Parts

_HERE: Final = Place(__file__, 1)

TIMEOUT: Final = CommandEntry(handler=time_out, label="time_out", place=_HERE, message=ProcessTimeout)
"""The handler of the timeouts of all processes."""


def process_subscriptions(parts: Parts, services: Services) -> Iterator[Subscription]:
    """Yield the processes."""
    upcasters = {(each.name, each.from_version): each.upcaster for each in parts.registered.upcasters}
    for entry in parts.registered.processes:
        process = entry.process
        yield Subscription(
            name=entry.name,
            kind="process",
            events=(stored_names(events_of(process)) or frozenset()) | {str(each.message_name) for each in INPUTS},
            start=entry.start,
            partition_by=None,
            retry=entry.retry,
            partitions=entry.partitions,
            store=parts.write,
            processor=ProcessProcessor(
                process, ProcessRecords(process, upcasters), services, entry.retry, _remote(parts, entry)
            ),
            key_of=partial(key_in, process),
        )


def _remote(parts: Parts, entry: ProcessEntry) -> dict[str, RemoteCommandBus]:
    """Return the bus of each command of another application. Errors that the process handles are raised as themselves."""
    return {
        str(command.message_name): RemoteCommandBus(
            parts.requests,
            service,
            errors=[each for each in process_errors(entry.process, command) if not issubclass(RemoteError, each)
                    and not issubclass(each, RemoteError)],
            ids=parts.ids,
            telemetry=parts.telemetry,
        )
        for command, service in entry.remote.items()
        if parts.requests is not None
    }  # fmt: skip


def starting(registered: Registered, command: type[Command[Any]], invoke: Invoke) -> Invoke:
    """Return the handler of a command that records the start of processes in the unit of work of the command."""
    processes: Sequence[type[Process]] = [
        entry.process for entry in registered.processes if command in commands_that_start(entry.process)
    ]
    if not processes:
        return invoke

    async def started(scope: Scope, message: Any) -> Any:
        result = await called(invoke, scope, message)
        for process in processes:
            event = started_by(process, message)
            if event is not None:
                stream = stream_of_process(process.process_name, str(key_in(process, message)))
                scope.unit_of_work().record(event, stream=stream)
        return result

    return started
