"""Test a process: given its past inputs, when an input arrives, then these commands, timeouts and states follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Self, TypeAlias, TypeVar
from uuid import UUID, uuid5

from .._background.failures import description
from .._definitions.message import Command, Event
from .._definitions.process import Process
from .._encoding.round_trip import round_trip_of
from .._processes.inputs import CommandSent, key_in
from .._processes.instance import Effects, Instance, new_instance
from ..ports.processes import ProcessState
from ._difference import check_equal
from ._given import raised

P = TypeVar("P", bound=Process)
R = TypeVar("R")
X = TypeVar("X", bound=Exception)

_INPUTS = UUID("6ff7b5a5-2f0c-4a57-9f4f-8b1a4dc6c0de")
"""The namespace of the ids of inputs, which are the same in each run of a test."""


@dataclass(frozen=True, slots=True)
class Reply(Generic[R]):
    """The result of a command that the process has sent."""

    command: Command[R]
    result: R


@dataclass(frozen=True, slots=True)
class Raised:
    """The error of a command that the process has sent. For a compensation, it is the error of the last attempt."""

    command: Command[Any]
    error: Exception


@dataclass(frozen=True, slots=True)
class TimedOut:
    """A timeout that is due.

    Attributes:
        name: the name of the timeout.
    """

    name: str


ProcessInput: TypeAlias = Event | Command[Any] | Reply[Any] | Raised | TimedOut
"""An input of a process: an event, the command that starts it, a reply, an error, or a timeout."""


@dataclass(frozen=True, slots=True)
class Decided(Generic[P]):
    """The decisions of a process about one input.

    Attributes:
        process: the fields after the input; None if no process has started.
        state: the state; None if no process has started.
        reason: why it compensates or has failed.
        commands: the commands that were sent, compensations included.
        timeouts: the timeouts that were started, with their delays or times.
        cancelled: the timeouts that were cancelled.
        ignored: whether the process ignored the input.
        error: the exception of the method, if it raised one.
    """

    process: P | None
    state: ProcessState | None
    reason: str
    commands: tuple[Command[Any], ...]
    timeouts: Mapping[str, timedelta | datetime]
    cancelled: tuple[str, ...]
    ignored: bool
    error: Exception | None

    def then(self, *commands: Command[Any]) -> Self:
        """Check that exactly these commands were sent, in this order.

        Raises:
            AssertionError: they were not. The text is a diff.
        """
        self._check_not_raised()
        check_equal("the commands", commands, self.commands)
        return self

    def then_timeouts(self, **timeouts: timedelta | datetime) -> Self:
        """Check that exactly these timeouts were started: `then_timeouts(unpaid=timedelta(minutes=30))`.

        Raises:
            AssertionError: others were. The text is a diff.
        """
        self._check_not_raised()
        check_equal("the timeouts", sorted(timeouts.items()), sorted(self.timeouts.items()))
        return self

    def then_cancelled(self, *timeouts: str) -> Self:
        """Check that exactly these timeouts were cancelled, also by the end of the process.

        Raises:
            AssertionError: others were. The text is a diff.
        """
        check_equal("the cancelled timeouts", sorted(timeouts), sorted(self.cancelled))
        return self

    def then_state(self, state: ProcessState, *, reason: str | None = None) -> Self:
        """Check the state, and the reason if it is given.

        Raises:
            AssertionError: the process has another state or reason.
        """
        self._check_not_raised()
        expected = [state] if reason is None else [state, reason]
        check_equal("the states", expected, [self.state, self.reason][: len(expected)])
        return self

    def then_fields(self, **fields: object) -> Self:
        """Check the values of fields.

        Raises:
            AssertionError: a field has another value. The text is a diff.
        """
        self._check_not_raised()
        actual = [(name, getattr(self.process, name, None)) for name in fields]
        check_equal("the fields", list(fields.items()), actual)
        return self

    def then_ignored(self) -> Self:
        """Check that the process ignored the input.

        Raises:
            AssertionError: it did not.
        """
        if not self.ignored:
            raise AssertionError(f"the process did not ignore the input: its state is {self.state!r}.")
        return self

    def then_raises(self, error: type[X], match: str = "") -> X:
        """Check that the method raised an error, and return the error. Such an input is retried, and then parked.

        Args:
            error: the class of the error.
            match: a regular expression that is searched in its text.

        Raises:
            AssertionError: the method raised nothing, or another error.
        """
        return raised(self.error, error, match, "the method")

    def _check_not_raised(self) -> None:
        if self.error is not None:
            raise AssertionError(
                f"the method raised {self.error!r}. Check an expected error with then_raises."
            ) from self.error


@dataclass(frozen=True, slots=True)
class GivenProcess(Generic[P]):
    """A process class, and the past inputs of a process."""

    process_type: type[P]
    inputs: tuple[ProcessInput, ...]

    def when(self, input: ProcessInput) -> Decided[P]:
        """Handle an input after the past ones, and return the decisions.

        Raises:
            ValueError: a past input raised an error, or a reply belongs to no command without a reply.
        """
        run = _Run(self.process_type)
        for each in self.inputs:
            past = run.handle(each)
            if past.error is not None:
                raise ValueError(f"given_process: the past input {each!r} raised {past.error!r}.") from past.error
        return run.handle(input)


def given_process(process_type: type[P], *inputs: ProcessInput) -> GivenProcess[P]:
    """Handle the past inputs of a process, without an application.

        given_process(Fulfilment, OrderPlaced(order_id="o1"), Reply(ReserveStock(order_id="o1"), "r1")).when(
            TimedOut("unpaid")
        ).then(ReleaseStock(order_id="o1")).then_state("compensating", reason="unpaid")

    Args:
        process_type: the class of the process.
        inputs: its past inputs. Replies belong to commands that it has sent; commands without a reply stay unanswered.
    """
    return GivenProcess(process_type, inputs)


class UnexpectedReply(ValueError):
    """A reply belongs to no command without a reply."""


class _Run(Generic[P]):
    """Handles inputs one after another, as the subscription of the process does."""

    def __init__(self, process_type: type[P]) -> None:
        self._type = process_type
        self._instance: Instance | None = None
        self._sent: list[CommandSent] = []
        self._number = 0

    def handle(self, input: ProcessInput) -> Decided[P]:
        self._number += 1
        effects, error = None, None
        try:
            effects = self._effects(input, uuid5(_INPUTS, str(self._number)))
        except UnexpectedReply:
            raise
        except Exception as found:  # noqa: BLE001 -- the result has it
            error = found
        return self._decided(effects, error)

    def _effects(self, input: ProcessInput, id: UUID) -> Effects | None:
        if isinstance(input, (Event, Command)):
            return self._message(input, id)
        if self._instance is None:
            return None
        if isinstance(input, TimedOut):
            timer = self._instance.progress.timers.get(input.name)
            return None if timer is None else self._instance.timed_out(input.name, timer, id)
        return self._answer(self._instance, input, id)

    def _message(self, message: Event | Command[Any], id: UUID) -> Effects | None:
        key, method = key_in(self._type, message), self._type._method_of(type(message))
        if key is None or method is None or (self._instance is not None and self._instance.key != key):
            return None
        if method.starts and (self._instance is None or self._instance.ended):
            value = getattr(message, method.by or self._type.process_key)
            self._instance, self._sent = new_instance(self._type, key, value, id), []
        return None if self._instance is None else self._instance.message(message, id)

    def _answer(self, instance: Instance, input: Reply[Any] | Raised, id: UUID) -> Effects | None:
        command = input.command
        sent = next((each for each in self._sent if _is(each, command) and instance.expects(each)), None)
        if sent is None:
            unanswered = ", ".join(each.command for each in self._sent if instance.expects(each)) or "none"
            raise UnexpectedReply(
                f"the process expects no reply to {command!r}. Commands without a reply: {unanswered}."
            )
        if isinstance(input, Reply):
            return instance.answered(sent, command, input.result, id)
        if sent.compensates:
            return instance.stuck(description(input.error))
        effects = instance.failed(sent, command, input.error, id)
        if effects is None:
            raise input.error
        return effects

    def _decided(self, effects: Effects | None, error: Exception | None) -> Decided[P]:
        found, sent = self._instance, [] if effects is None else effects.sent
        self._sent += sent
        fields: Any = None if found is None else found.fields
        return Decided(
            process=fields,
            state=None if found is None else found.state,
            reason="" if found is None else found.reason,
            commands=tuple(_commands(sent, [] if effects is None else effects.commands)),
            timeouts={} if effects is None else {name: timer.time for name, timer in effects.timers.items()},
            cancelled=() if effects is None else tuple(effects.cancelled),
            ignored=effects is None and error is None,
            error=error,
        )


def _commands(sent: Sequence[CommandSent], commands: Sequence[Command[Any]]) -> Iterator[Command[Any]]:
    """Yield the commands as objects. Compensations are decoded: they were stored when their step was sent."""
    objects = iter(commands)
    for each in sent:
        yield _decoded(each) if each.compensates else next(objects)


def _decoded(sent: CommandSent) -> Command[Any]:
    found = [each for each in _subclasses(Command) if each.message_name == sent.command]
    command: Command[Any] = round_trip_of(found[-1]).decode(sent.data)
    return command


def _is(sent: CommandSent, command: Command[Any]) -> bool:
    return sent.command == command.message_name and round_trip_of(type(command)).decode(sent.data) == command


def _subclasses(cls: type[Any]) -> Iterator[type[Any]]:
    for each in cls.__subclasses__():
        yield each
        yield from _subclasses(each)
