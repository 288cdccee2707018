"""Faults of processes: messages without their key, unknown commands, and methods with a wrong signature."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._buses.signature import signature_of
from .._definitions.flow import Flow
from .._definitions.message import Command
from .._definitions.process import Process
from .._definitions.process import started_by as commands_that_start
from .._definitions.retry import Retry
from .._encoding.result_types import answer_type
from .._encoding.secrets import ADVICE, MASK, masked
from .._registration.entries import ProcessEntry
from .._registration.places import place_of
from .._registration.registered import Registered
from ..errors import Fault
from ..ports.requests import Requests
from .agreement import takes


def check_processes(registered: Registered, requests: Requests | None) -> Iterator[Fault]:
    """Yield the faults of all processes."""
    handled = {entry.message for entry in registered.commands}
    versions = {(entry.name, entry.from_version) for entry in registered.upcasters}
    for entry in registered.processes:
        yield from _check_keys(entry)
        yield from _check_commands(entry, handled, has_requests=requests is not None)
        yield from _check_methods(entry)
        for version in range(1, entry.process.process_version):
            if (entry.name, version) not in versions:
                yield entry.place.fault(
                    f"a missing upcaster: the process {entry.label} is at version {entry.process.process_version}, and no "
                    f"upcaster converts version {version} to {version + 1}. Add @app.upcaster({entry.name!r}, "
                    f"from_version={version})."
                )
        if names := masked(entry.process):
            yield entry.place.fault(
                f"the process {entry.label} would be stored without its secrets: {', '.join(names)} would come back as "
                f"{MASK}. {ADVICE}"
            )
        retry: object = entry.retry
        if isinstance(retry, Retry) and retry.skip_on != ():
            yield entry.place.fault(
                f"the Retry of the process {entry.label} has skip_on=: a process that skips an input never ends. Handle the "
                "error with @on_error, or omit skip_on=."
            )


def _check_keys(entry: ProcessEntry) -> Iterator[Fault]:
    """Yield messages that lack the field with the key."""
    for message, method in entry.process.process_messages.items():
        field = method.by or entry.process.process_key
        if field not in message.model_fields:
            yield place_of(getattr(entry.process, method.name), entry.place).fault(
                f"{entry.label}.{method.name} takes {message.__name__}, which has no field {field!r} with the key of the "
                f"process. Name the field: by='...'. Fields: {', '.join(message.model_fields) or 'none'}."
            )


def _check_commands(entry: ProcessEntry, handled: set[type[Any]], *, has_requests: bool) -> Iterator[Fault]:
    for command, service in entry.remote.items():
        if command in handled:
            yield entry.place.fault(
                f"remote= of {entry.label} names {command.__name__}, and this application has a handler for it. Remove one."
            )
        if command.message_name is None:
            yield entry.place.fault(f"remote= of {entry.label} names {command.__name__}, which has no stable name.")
        if not has_requests:
            yield entry.place.fault(
                f"remote= of {entry.label} sends {command.__name__} to {service!r}, and the application has no requests. "
                "Pass requests= or transport=, such as RabbitMQ(url)."
            )
    for command in commands_that_start(entry.process):
        if command not in handled:
            yield entry.place.fault(
                f"{entry.label} starts with the command {command.__name__}, which has no handler. Register one with "
                f"@app.command_handler({command.__name__})."
            )
        elif command.message_name is None:
            yield entry.place.fault(f"{entry.label} starts with {command.__name__}, which has no stable name. Name it.")
    for reply in entry.process.process_replies:
        if reply.command not in handled and reply.command not in entry.remote:
            yield place_of(getattr(entry.process, reply.name), entry.place).fault(
                f"{entry.label}.{reply.name} handles {reply.command.__name__}, which has no handler. Register one, or name "
                f"the application that serves the command: remote={{{reply.command.__name__}: 'shipping'}}."
            )


def _check_methods(entry: ProcessEntry) -> Iterator[Fault]:
    """Yield methods whose parameters do not fit their inputs."""
    process = entry.process
    for message, method in process.process_messages.items():
        yield from _check_method(entry, method.name, message, message.__name__)
    for timeout, name in process.process_timeouts.items():
        yield from _check_method(entry, name, None, f"the timeout {timeout!r}")
    for reply in process.process_replies:
        taken = _reply_type(reply.command, entry) if reply.error is None else reply.error
        what = f"the reply to {reply.command.__name__}" if reply.error is None else reply.error.__name__
        yield from _check_method(entry, reply.name, taken, what)


def _check_method(entry: ProcessEntry, name: str, taken: Any, what: str) -> Iterator[Fault]:
    """Yield the faults of a method. `taken` is None for a timeout, which has no value."""
    function = getattr(entry.process, name)
    place, label = place_of(function, entry.place), f"{entry.label}.{name}"
    try:
        parameters = signature_of(function, entry.names, entry.process).parameters
    except Exception as error:  # noqa: BLE001 -- a quoted annotation is evaluated, which can raise anything
        yield place.fault(f"the annotations of {label} cannot be resolved: {error}. Import the types at run time.")
        return
    wanted = 1 if taken is None else 2
    if len(parameters) != wanted or any(each.keyword_only for each in parameters):
        yield place.fault(
            f"{label} has a wrong signature: it handles {what}, so its parameters are "
            f"({'flow: Flow' if taken is None else 'the input, flow: Flow'})."
        )
        return
    if taken is not None and parameters[0].type is not taken and not takes(parameters[0].type, taken):
        yield place.fault(
            f"{label} has a wrong signature: it handles {what}, but its first parameter is {parameters[0]}."
        )
    if not takes(parameters[-1].type, Flow):
        yield place.fault(
            f"{label} has a wrong signature: its last parameter must be the Flow, and is {parameters[-1]}."
        )


def _reply_type(command: type[Command[Any]], entry: ProcessEntry) -> Any:
    found = answer_type(command, entry.names)
    return type(None) if found is None else found


def process_errors(process: type[Process], command: type[Command[Any]]) -> list[type[Exception]]:
    """Return the errors of a command that a process handles."""
    return [each.error for each in process.process_replies if each.command is command and each.error is not None]
