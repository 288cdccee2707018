"""The command bus."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from .._background.calls import coroutine_function
from .._definitions.message import Command
from ..errors import ConfigurationError
from .callables import standalone
from .chain import Middleware, checked, compose
from .decorators import CommandRegistration
from .no_handler import Handle, no_handler

R = TypeVar("R")
C = TypeVar("C", bound=Command[Any])


class CommandBus:
    """Dispatch commands to their handlers. A bus also works without an application, as a mediator.

        commands = CommandBus()

        @commands.handler(PlaceOrder)
        async def place_order(command: PlaceOrder) -> str: ...

        order_id = await commands.dispatch(PlaceOrder(...))

    In an application, a handler takes the application's bus as a parameter of this type. A command that it dispatches is
    handled in the same task and in the same unit of work.

    Args:
        middleware: functions that run around every command, the first one outermost.
    """

    def __init__(self, *, middleware: Sequence[Middleware] = ()) -> None:
        self._routes: dict[type[Command[Any]], Handle] = {}
        self._middleware = checked(middleware)

    def handler(self, command_type: type[C]) -> CommandRegistration[C]:
        """Return a decorator that registers the handler of a command, and returns it unchanged.

        Raises:
            ConfigurationError: the command has a handler already.
        """

        def register(handler: Any) -> None:
            if command_type in self._routes:
                raise ConfigurationError(
                    f"cannot register a second handler of command {command_type.__name__}. A command has one handler. "
                    "Publish an event for several handlers."
                )
            self._routes[command_type] = compose(self._middleware, standalone(handler))

        return CommandRegistration(register)

    @coroutine_function
    def dispatch(self, command: Command[R]) -> Coroutine[Any, Any, R]:
        """Handle a command and return the result of its handler. Errors of the handler propagate unchanged.

        Raises:
            NoHandler: no handler is registered for this command.
            DispatchCycle: the command is being handled already, by a caller of this one.
        """
        try:
            handle = self._routes[type(command)]
        except KeyError:
            raise no_handler("command", command, self._routes) from None
        return handle(command)
