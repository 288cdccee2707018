"""The command bus."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from .._definitions.message import Command
from ..errors import ConfigurationError
from .callables import standalone
from .chain import Middleware, checked, compose
from .decorators import CommandRegistration
from .no_handler import Handle, no_handler

R = TypeVar("R")
C = TypeVar("C", bound=Command[Any])


class CommandBus:
    """Hands a command to its one handler and its result back. Usable alone, as a mediator.

        commands = CommandBus()

        @commands.handler(PlaceOrder)
        async def place_order(command: PlaceOrder) -> str: ...

        order_id = await commands.dispatch(PlaceOrder(...))

    Inside an application, a parameter of this type is the application's own bus: what a handler dispatches with it is a
    plain call in the same task, in the same unit of work.

    Args:
        middleware: runs around every command, the first one outermost.
    """

    def __init__(self, *, middleware: Sequence[Middleware] = ()) -> None:
        self._routes: dict[type[Command[Any]], Handle] = {}
        self._middleware = checked(middleware)

    def handler(self, command_type: type[C]) -> CommandRegistration[C]:
        """Register the handler of a command; the decorator returns it unchanged.

        Raises:
            ConfigurationError: the command has one already.
        """

        def register(handler: Any) -> None:
            if command_type in self._routes:
                raise ConfigurationError(
                    f"cannot register a second handler of command {command_type.__name__}. A command has one handler; "
                    "publish an event to tell several."
                )
            self._routes[command_type] = compose(self._middleware, standalone(handler))

        return CommandRegistration(register)

    def dispatch(self, command: Command[R]) -> Coroutine[Any, Any, R]:
        """Handle a command and return its handler's result. Errors of the handler come through as they are.

        Raises:
            NoHandler: nothing handles this command.
            DispatchCycle: the command is being handled already, further up.
        """
        try:
            handle = self._routes[type(command)]
        except KeyError:
            raise no_handler("command", command, self._routes) from None
        return handle(command)
