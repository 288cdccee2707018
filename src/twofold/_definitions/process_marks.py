"""The decorators of the methods of a process."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, TypeVar

from ..errors import InvalidDefinition
from .flow import Flow
from .message import Command, Event
from .on import BY, MARK, Marker

_STARTS: Final = "__twofold_starts__"
_TIMEOUTS: Final = "__twofold_timeouts__"
_REPLIES: Final = "__twofold_replies__"

S = TypeVar("S", bound=Event | Command[Any])
R = TypeVar("R")
X = TypeVar("X", bound=Exception)
F = TypeVar("F", bound=Callable[[Any, Flow], None])


class MessageMethod(NamedTuple):
    """A method for an event, or for a command that starts the process.

    Attributes:
        message: the class of the message.
        name: the name of the method.
        by: the field with the key; None for the key of the class.
        starts: whether the message starts a process.
    """

    message: type[Any]
    name: str
    by: str | None
    starts: bool


class ReplyMethod(NamedTuple):
    """A method for the reply to a command, or for an error of the command.

    Attributes:
        command: the class of the command.
        name: the name of the method.
        error: the class of the error; None for a reply.
    """

    command: type[Command[Any]]
    name: str
    error: type[Exception] | None


def starts(message_type: type[S], /, *, by: str | None = None) -> Marker[S]:
    """Mark the method of a process that starts with this event or command.

        @starts(OrderPlaced)
        def placed(self, event: OrderPlaced, flow: Flow) -> None: ...

    The message starts a process unless one runs with its key. Otherwise, it is an input of that process. A command starts
    the process in the transaction of the command: both are committed, or none.

    Args:
        message_type: the class of the event or the command.
        by: the field of the message that has the key of the process, if it has another name.

    Raises:
        InvalidDefinition: the argument is not a class of events or commands.
    """
    given: object = message_type
    if not (inspect.isclass(given) and issubclass(given, (Event, Command))):
        raise InvalidDefinition(
            f"cannot use @starts with {repr(given)[:100]}: pass the class of an event or a command. Write "
            "@starts(SomeEvent) above the method."
        )
    marker: Marker[S] = _marking(_STARTS, (message_type, by))
    return marker


def on_timeout(name: str) -> Callable[[F], F]:
    """Mark the method of a process that handles a timeout. It takes a `Flow`, which has started the timeout by its name."""
    marker: Callable[[F], F] = _marking(_TIMEOUTS, name)
    return marker


def on_reply(command_type: type[Command[R]], /) -> Marker[R]:
    """Mark the method of a process that takes the result of a command. `Flow.command` is the command.

    @on_reply(ReserveStock)
    def reserved(self, reservation: str, flow: Flow) -> None: ...

    Raises:
        InvalidDefinition: the argument is not a class of commands.
    """
    _check_command("on_reply", command_type)
    marker: Marker[R] = _marking(_REPLIES, (command_type, None))
    return marker


def on_error(command_type: type[Command[Any]], error: type[X], /) -> Marker[X]:
    """Mark the method of a process that takes an error of a command. `Flow.command` is the command.

        @on_error(ReserveStock, OutOfStock)
        def out_of_stock(self, error: OutOfStock, flow: Flow) -> None: ...

    The changes of the command are rolled back. An error without a method is retried, and then parks the key.

    Args:
        command_type: the class of the command.
        error: the class of the error, or a base class.

    Raises:
        InvalidDefinition: an argument is not such a class.
    """
    _check_command("on_error", command_type)
    given: object = error
    if not (inspect.isclass(given) and issubclass(given, Exception)):
        raise InvalidDefinition(
            f"cannot use @on_error with {repr(given)[:100]}: pass the class of an exception, such as "
            f"@on_error({command_type.__name__}, OutOfStock)."
        )
    marker: Marker[X] = _marking(_REPLIES, (command_type, error))
    return marker


def message_methods(cls: type[Any]) -> Iterator[MessageMethod]:
    """Yield the methods of a class that take events, or commands that start it."""
    for name, function in _functions(cls):
        for message, by in getattr(function, _STARTS, ()):
            yield MessageMethod(message, name, by, starts=True)
        for event in getattr(function, MARK, ()):
            yield MessageMethod(event, name, getattr(function, BY, {}).get(event), starts=False)


def timeout_methods(cls: type[Any]) -> Iterator[tuple[str, str]]:
    """Yield the names of timeouts, each with the name of its method."""
    for name, function in _functions(cls):
        yield from ((timeout, name) for timeout in getattr(function, _TIMEOUTS, ()))


def reply_methods(cls: type[Any]) -> Iterator[ReplyMethod]:
    """Yield the methods of a class that take replies and errors of commands."""
    for name, function in _functions(cls):
        yield from (ReplyMethod(command, name, error) for command, error in getattr(function, _REPLIES, ()))


def _functions(cls: type[Any]) -> Iterator[tuple[str, Any]]:
    names = dict.fromkeys(name for base in reversed(cls.__mro__) for name in vars(base))
    found = ((name, inspect.getattr_static(cls, name)) for name in names)  # `getattr` warns of old names of pydantic
    yield from (each for each in found if inspect.isfunction(each[1]))


def _marking(mark: str, value: object) -> Any:
    def marked(method: Any) -> Any:
        setattr(method, mark, (*getattr(method, mark, ()), value))
        return method

    return marked


def _check_command(decorator: str, command_type: object) -> None:
    if not (inspect.isclass(command_type) and issubclass(command_type, Command)):
        raise InvalidDefinition(
            f"cannot use @{decorator} with {repr(command_type)[:100]}: pass the class of a command, such as ReserveStock."
        )
