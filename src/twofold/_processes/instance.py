"""One process: its state, and how it handles one input. Nothing here waits or stores anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from pydantic import BaseModel

from .._definitions.flow import Decisions, Flow
from .._definitions.message import Command, Event
from .._definitions.process import Process
from .._encoding.message_json import json_of
from ..errors import ConfigurationError, NotStorable, RemoteTimeout
from ..ports.processes import ENDED, ProcessState
from .inputs import CommandDiscarded, CommandSent, wire_name


class Packed(BaseModel, frozen=True):
    """A command as it is stored.

    Attributes:
        step: the id of the command that it undoes.
        name: the wire name.
        version: the version of the fields.
        data: the fields, as JSON text.
        within: the deadline of the reply of another service, in seconds.
    """

    step: UUID
    name: str
    version: int
    data: str
    within: float | None = None


class Progress(BaseModel):
    """The part of a process that is not its fields.

    Attributes:
        sent: the commands without a reply, each with its compensation, if it has one.
        completed: the compensations of completed steps, in the order of completion.
        timers: the timeouts that run, each with the id of its start.
        dropped: the commands that must not be executed, because the process was compensated before.
        reason: why the process was compensated.
    """

    sent: dict[UUID, Packed | None] = {}
    completed: list[Packed] = []
    timers: dict[str, UUID] = {}
    dropped: list[UUID] = []
    reason: str = ""


@dataclass(slots=True)
class Timer:
    """A timeout to start.

    Attributes:
        id: the id of this start.
        time: when it is due, or after which delay.
    """

    id: UUID
    time: datetime | timedelta


@dataclass(slots=True)
class Effects:
    """The effects of one input, besides the new state.

    Attributes:
        sent: the commands to send.
        commands: the same commands, as objects.
        timers: the timeouts to start.
        cancelled: the timeouts to cancel.
    """

    sent: list[CommandSent] = field(default_factory=list)
    commands: list[Command[Any]] = field(default_factory=list)
    timers: dict[str, Timer] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Instance:
    """A process of one key. Each method below handles one input, and returns its effects, or None if it is ignored.

    Attributes:
        key: the key.
        incarnation: the id of the input that started it.
        fields: the fields, as an object of the user's class.
        state: the state.
        progress: the rest.
        reason: why it compensates or has failed, or the error of a compensation that is stuck.
    """

    key: str
    incarnation: UUID
    fields: Process
    state: ProcessState = "waiting"
    progress: Progress = field(default_factory=Progress)
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self.state in ENDED

    @property
    def _is_open(self) -> bool:
        return self.state in ("running", "waiting")

    def message(self, message: Event | Command[Any], input_id: UUID) -> Effects | None:
        """Handle an event, or the command that started the process."""
        method = self.fields._method_of(type(message))
        if method is None or not self._is_open:
            return None
        return self._call(method.name, input_id, message)

    def timed_out(self, timeout: str, timer: UUID, input_id: UUID) -> Effects | None:
        """Handle a timeout, unless it was cancelled or started again."""
        method = self.fields.process_timeouts.get(timeout)
        if self.progress.timers.get(timeout) != timer or method is None or not self._is_open:
            return None
        del self.progress.timers[timeout]
        return self._call(method, input_id)

    def expects(self, sent: CommandSent | CommandDiscarded) -> bool:
        """Return whether the reply to a command is an input."""
        if sent.compensates:
            return not self.ended and bool(self.progress.completed) and self._compensation().id == sent.id
        return sent.id in self.progress.sent

    def answered(self, sent: CommandSent, command: Command[Any], reply: Any, input_id: UUID) -> Effects:
        """Handle the reply to a command that is expected."""
        if sent.compensates:
            self.progress.completed.pop()
            self.state, self.reason = "compensating", self.progress.reason
            return self._compensate_next(Effects())
        self._complete_step(sent.id)
        method = next(
            (each for each in self.fields.process_replies if each.error is None and each.command is type(command)), None
        )
        if method is None:
            self._update_state()
            return Effects()
        return self._call(method.name, input_id, reply, command=command)

    def error_method(self, command: Command[Any], error: Exception) -> str | None:
        """Return the method for an error of a command: the one for the nearest class of the error."""
        found = {
            each.error: each.name
            for each in self.fields.process_replies
            if each.error is not None and each.command is type(command)
        }
        return next((found[cls] for cls in type(error).__mro__ if cls in found), None)

    def failed(self, sent: CommandSent, command: Command[Any], error: Exception, input_id: UUID) -> Effects | None:
        """Handle an error of a command that is expected; None if no method takes it.

        The outcome of a `RemoteTimeout` is unknown. The step counts as completed, so that it is compensated.
        """
        method = self.error_method(command, error)
        if method is None:
            return None
        if isinstance(error, RemoteTimeout):
            self._complete_step(sent.id)
        else:
            del self.progress.sent[sent.id]
        return self._call(method, input_id, error, command=command)

    def stuck(self, reason: str) -> Effects:
        """Stop at a compensation that has failed for the last time."""
        self.state, self.reason = "compensation_stuck", reason
        return Effects()

    def discarded(self, command: CommandDiscarded) -> Effects | None:
        """Compensate the process, because a command that it waits for is never executed.

        A command with an unknown outcome counts as a completed step, so that it is compensated.
        """
        if not self.expects(command):
            return None
        reason = f"a command was discarded: {command.reason}" if command.reason else "a command was discarded"
        if command.compensates:
            return self.stuck(reason)
        if command.unknown:
            self._complete_step(command.id)
        else:
            del self.progress.sent[command.id]
        return self._compensate(reason, list(self.progress.sent), Effects())

    def retry(self) -> Effects | None:
        """Send the compensation again that is stuck."""
        if self.state != "compensation_stuck":
            return None
        self.state, self.reason = "compensating", self.progress.reason
        return self._compensate_next(Effects())

    def _complete_step(self, command: UUID) -> None:
        undo = self.progress.sent.pop(command)
        if undo is not None:
            self.progress.completed.append(undo)

    def _call(self, method: str, input_id: UUID, *args: Any, command: Command[Any] | None = None) -> Effects:
        name = type(self.fields).__name__
        flow = Flow(name, frozenset(self.fields.process_timeouts), command)
        result = getattr(self.fields, method)(*args, flow)
        if result is not None:
            raise ConfigurationError(
                f"{name}.{method} returned {type(result).__name__}. A method of a process returns None, and decides by Flow."
            )
        return self._decide(flow.decisions, input_id)

    def _decide(self, decisions: Decisions, input_id: UUID) -> Effects:
        effects, progress, before = Effects(), self.progress, list(self.progress.sent)
        for index, sending in enumerate(decisions.sent):
            command_id = uuid5(self.incarnation, f"{input_id}:{index}")
            within = None if sending.within is None else sending.within.total_seconds()
            undo = None if sending.compensate is None else pack(sending.compensate, command_id, within)
            progress.sent[command_id] = undo
            effects.sent.append(self._sent(pack(sending.command, command_id, within), command_id))
            effects.commands.append(sending.command)
        for name in decisions.cancelled:
            if progress.timers.pop(name, None) is not None:
                effects.cancelled.append(name)
        for name, time in decisions.timeouts.items():
            progress.timers[name] = uuid5(self.incarnation, f"{input_id}:timeout:{name}")
            effects.timers[name] = Timer(progress.timers[name], time)
        if decisions.completed:
            self.state = "completed"
            self._end(effects)
        elif decisions.compensate is not None:
            return self._compensate(decisions.compensate, before, effects)
        else:
            self._update_state()
        return effects

    def _compensate(self, reason: str, dropped: Sequence[UUID], effects: Effects) -> Effects:
        """Begin to compensate. The dropped commands are not executed any more."""
        self.state = "compensating"
        self.reason = self.progress.reason = reason
        self.progress.dropped += dropped
        self._end(effects)
        return self._compensate_next(effects)

    def _end(self, effects: Effects) -> None:
        """Expect no replies and no timeouts any more."""
        started = set(effects.timers)
        effects.timers.clear()
        effects.cancelled += [name for name in self.progress.timers if name not in started]
        self.progress.timers.clear()
        self.progress.sent.clear()
        if self.state == "completed":
            self.progress.completed.clear()

    def _update_state(self) -> None:
        self.state = "running" if self.progress.sent else "waiting"

    def _compensate_next(self, effects: Effects) -> Effects:
        if self.progress.completed:
            effects.sent.append(self._compensation())
        else:
            self.state = "failed"
        return effects

    def _compensation(self) -> CommandSent:
        """Return the compensation of the step that was completed last."""
        undo = self.progress.completed[-1]
        return self._sent(undo, uuid5(self.incarnation, f"{undo.step}:compensation"), compensates=True)

    def _sent(self, packed: Packed, id: UUID, *, compensates: bool = False) -> CommandSent:
        return CommandSent(
            process=self.fields.process_name,
            key=self.key,
            incarnation=self.incarnation,
            id=id,
            command=packed.name,
            schema_version=packed.version,
            data=packed.data,
            within=packed.within,
            compensates=compensates,
        )


def new_instance(process: type[Process], key: str, value: object, incarnation: UUID) -> Instance:
    """Return a process that starts.

    Args:
        process: the class.
        key: the key.
        value: the value of the field with the key.
        incarnation: the id of the input that starts it.
    """
    fields: Mapping[str, Any] = {process.process_key: value}
    return Instance(key, incarnation, process(**fields))


def pack(command: Command[Any], step: UUID, within: float | None) -> Packed:
    """Return a command as it is stored.

    Raises:
        ConfigurationError: the command has no stable name.
        NotStorable: a field would come back changed.
    """
    data = json_of(command, "send", NotStorable)
    return Packed(step=step, name=wire_name(command), version=command.message_version, data=data, within=within)
