"""Flow: what the method of a process decides to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ..errors import ConfigurationError
from .message import Command


@dataclass(frozen=True, slots=True)
class Sending:
    """A command to send.

    Attributes:
        command: the command.
        compensate: the command that undoes it.
        within: the deadline of the reply of another service.
    """

    command: Command[Any]
    compensate: Command[Any] | None = None
    within: timedelta | None = None


@dataclass(slots=True)
class Decisions:
    """Everything that a method has decided.

    Attributes:
        sent: the commands, in order.
        timeouts: the time or the delay of each new timeout.
        cancelled: the timeouts to cancel.
        completed: whether the process ends.
        compensate: why the process is undone; None if it is not.
    """

    sent: list[Sending] = field(default_factory=list)
    timeouts: dict[str, datetime | timedelta] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    completed: bool = False
    compensate: str | None = None


class Flow:
    """The decisions of one method of a process. A method takes one as its last parameter.

    Nothing happens before the method returns. Then the new state, the commands and the timeouts are committed together.

    Args:
        name: the name of the class of the process, for errors.
        timeouts: the names of the timeouts that the class handles.
        command: the command that was answered, in a method marked with `on_reply` or `on_error`.
    """

    __slots__ = ("_command", "_name", "_timeouts", "decisions")

    def __init__(self, name: str, timeouts: frozenset[str], command: Command[Any] | None = None) -> None:
        self._name = name
        self._timeouts = timeouts
        self._command = command
        self.decisions = Decisions()

    @property
    def command(self) -> Command[Any]:
        """The command that was answered.

        Raises:
            ConfigurationError: the method handles an event or a timeout.
        """
        if self._command is None:
            raise ConfigurationError(
                f"cannot read Flow.command in {self._name}: this method handles no reply. Read it in a method that is "
                "marked with @on_reply or @on_error."
            )
        return self._command

    def send(
        self, command: Command[Any], *, compensate: Command[Any] | None = None, within: timedelta | None = None
    ) -> None:
        """Send a command. Each command takes effect once.

        Args:
            command: the command. Its class has a stable name.
            compensate: the command that undoes it. It is sent if the process is compensated after `command` took effect, or
                when that is unknown.
            within: the deadline of the reply, for a command to another service. By default, 10 seconds.

        Raises:
            ConfigurationError: the method has ended the process before.
        """
        self._check_open(f"send {type(command).__name__}")
        if within is not None and within <= timedelta():
            raise ConfigurationError(f"Flow.send(within={within}): the deadline must be positive.")
        self.decisions.sent.append(Sending(command, compensate, within))

    def timeout(self, name: str, *, after: timedelta | None = None, at: datetime | None = None) -> None:
        """Start a timeout. If it runs already, its time is replaced. It is cancelled when the process ends.

        Args:
            name: the name of the timeout. A method is marked with `@on_timeout(name)`.
            after: how long to wait, by the clock of the store.
            at: the time, with a time zone, instead of `after`.

        Raises:
            ConfigurationError: the method has ended the process before, no method handles the timeout, or its time is wrong.
        """
        self._check_open(f"start the timeout {name!r}")
        if name not in self._timeouts:
            raise ConfigurationError(
                f"cannot start the timeout {name!r} of {self._name}: no method handles it. Mark one with "
                f"@on_timeout({name!r})."
            )
        time = after if at is None else at
        if time is None or (after is not None and at is not None):
            raise ConfigurationError(f"cannot start the timeout {name!r} of {self._name}: pass either after= or at=.")
        if isinstance(time, datetime) and time.tzinfo is None:
            raise ConfigurationError(
                f"cannot start the timeout {name!r} of {self._name} at {time.isoformat()}: the time has no time zone."
            )
        self.decisions.timeouts[name] = time
        if name in self.decisions.cancelled:
            self.decisions.cancelled.remove(name)

    def cancel_timeout(self, name: str) -> None:
        """Cancel a timeout. A timeout that does not run is ignored."""
        self.decisions.timeouts.pop(name, None)
        self.decisions.cancelled.append(name)

    def complete(self) -> None:
        """End the process. Commands that were sent before are still executed. Their replies are ignored.

        Raises:
            ConfigurationError: the method has ended the process before.
        """
        self._check_open("complete")
        self.decisions.completed = True

    def compensate(self, reason: str) -> None:
        """Undo the process: send the compensations of its completed steps, one after another in reverse order.

        Commands that were sent and not executed yet are dropped. The process has failed when every compensation was
        executed.

        Args:
            reason: why, for operators.

        Raises:
            ConfigurationError: the method has ended the process before.
        """
        self._check_open("compensate")
        self.decisions.compensate = reason

    def _check_open(self, what: str) -> None:
        decided = "complete" if self.decisions.completed else "compensate"
        if self.decisions.completed or self.decisions.compensate is not None:
            raise ConfigurationError(
                f"cannot {what} in {self._name} after Flow.{decided}() in the same method. Make it the last call."
            )
