"""The inputs of processes that Twofold records itself: events of the log, in the stream of the process."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from .._background.failures import storable
from .._definitions.message import Command, Event
from .._definitions.process import LONGEST_KEY, Process
from .._encoding.message_json import json_of
from .._writing.unit_of_work import UnitOfWork
from ..errors import ConfigurationError, NotStorable


class ProcessInput(Event):
    """An input of one process.

    Attributes:
        process: the name of the process class.
        key: the key.
    """

    process: str
    key: str


class StartedByCommand(ProcessInput, name="twofold.process_started"):
    """A command was handled that starts a process.

    Attributes:
        command: the wire name of the command.
        schema_version: the version of its fields.
        data: its fields, as JSON text.
    """

    command: str
    schema_version: int
    data: str


class CommandSent(ProcessInput, name="twofold.command_sent"):
    """A process has sent a command. Its subscription executes the command when it reads this event.

    Attributes:
        incarnation: the incarnation that has sent it.
        id: the id of the command, derived from incarnation, input and index. A repeated command has the same id.
        command: the wire name of the command.
        schema_version: the version of its fields.
        data: its fields, as JSON text.
        within: the deadline of the reply of another service, in seconds; None for the default.
        compensates: whether the command is a compensation.
    """

    incarnation: UUID
    id: UUID
    command: str
    schema_version: int
    data: str
    within: float | None = None
    compensates: bool = False


class TimedOut(ProcessInput, name="twofold.process_timed_out"):
    """A timeout of a process is due.

    Attributes:
        timeout: its name.
        timer: the id of this start of the timeout, derived from the incarnation.
    """

    timeout: str
    timer: UUID


class RetryRequested(ProcessInput, name="twofold.process_retry_requested"):
    """An operator retries a compensation that is stuck.

    Attributes:
        incarnation: the incarnation of the process.
    """

    incarnation: UUID


class CommandDiscarded(ProcessInput, name="twofold.process_command_discarded"):
    """An operator has discarded a parked command of a process, which is never executed.

    Attributes:
        incarnation: the incarnation that has sent the command.
        id: the id of the command.
        reason: why the command was parked.
        unknown: whether the command may have taken effect, because its reply did not arrive in time.
        compensates: whether the command is a compensation.
    """

    incarnation: UUID
    id: UUID
    reason: str
    unknown: bool = False
    compensates: bool = False


INPUTS: Final = (StartedByCommand, CommandSent, TimedOut, RetryRequested, CommandDiscarded)


class ProcessTimeout(Command[None], name="twofold.process_timeout"):
    """The scheduled command of a timeout. It records `TimedOut` when it is due."""

    process: str
    key: str
    timeout: str
    timer: UUID


async def time_out(command: ProcessTimeout, unit: UnitOfWork) -> None:
    """Record that a timeout is due."""
    event = TimedOut(process=command.process, key=command.key, timeout=command.timeout, timer=command.timer)
    unit.record(event, stream=stream_of_process(command.process, command.key))


def process_key(value: object) -> str | None:
    """Return the key of a field's value, in a form and a length that every store can keep; None for no key."""
    if value is None:
        return None
    text = storable(str(value))
    return text if len(text) <= LONGEST_KEY else f"{text[:80]}…{sha256(text.encode()).hexdigest()}"


def key_in(process: type[Process], message: Event | Command[Any]) -> str | None:
    """Return the key of the process that a message belongs to, or None if it belongs to none of this class."""
    if isinstance(message, ProcessInput):
        return message.key if message.process == process.process_name else None
    field = process._key_field(type(message))
    return None if field is None else process_key(getattr(message, field))


def stream_of_process(process: str, key: str) -> str:
    """Return the stream of the inputs of a process that Twofold records. No aggregate has such a stream."""
    return f"twofold.process-{process}-{key}"


def started_by(process: type[Process], command: Command[Any]) -> StartedByCommand | None:
    """Return the input that a handled command is for a process; None without a key."""
    key = key_in(process, command)
    if key is None:
        return None
    return StartedByCommand(
        process=process.process_name,
        key=key,
        command=wire_name(command),
        schema_version=command.message_version,
        data=json_of(command, "start a process with", NotStorable),
    )


def wire_name(command: Command[Any]) -> str:
    """Return the stable name of a command.

    Raises:
        ConfigurationError: the command has none.
    """
    if command.message_name is None:
        kind = type(command).__name__
        raise ConfigurationError(
            f"a process cannot send {kind}, or be started by it: it has no stable name, so it cannot be stored. Give it "
            f"one: class {kind}(Command[None], name='orders.{kind.lower()}')."
        )
    return command.message_name
