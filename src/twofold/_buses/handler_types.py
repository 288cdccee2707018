"""The types of handlers, for the decorators that check a handler and return it with its exact type.

Python has no intersection types. For a type checker, a protocol with an overloaded `__call__` is one: an argument must
match both overloads. One overload checks the message and the result. The other one captures the whole signature.
`Callable[Concatenate[M, P], Awaitable[R]]` alone would lose the name of the first parameter, and whether the handler is a
coroutine function, an async generator function or a class.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar, overload

M = TypeVar("M")
R = TypeVar("R")
P = ParamSpec("P")
M_contra = TypeVar("M_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)
T_co = TypeVar("T_co", covariant=True)
# Always `...`. Some type checkers take `*args: Any, **kwargs: Any` literally instead.
Injected = ParamSpec("Injected")

Handler: TypeAlias = Callable[Concatenate[M, P], Awaitable[R] | R]
"""A callable that takes a message and injected parameters, and returns or awaits the result.

A type checker names this type when it refuses a handler.
"""


# The second overload keeps pyright from seeing that M is contravariant.
class FunctionHandler(Protocol[M_contra, Injected, R_co, P, T_co]):  # pyright: ignore[reportInvalidTypeVarUse]
    """A callable that takes a message and injected parameters, and returns or awaits the result: exactly `(P) -> T`."""

    @overload
    def __call__(
        self, message: M_contra, /, *args: Injected.args, **kwargs: Injected.kwargs
    ) -> Awaitable[R_co] | R_co: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...


class ClassHandler(Protocol[M_contra, Injected, R_co, P, T_co]):
    """A class whose objects are such callables. Its constructor is exactly `(P) -> T`."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    @overload
    def __call__(
        self, *args: Injected.args, **kwargs: Injected.kwargs
    ) -> Callable[Concatenate[M_contra, ...], Awaitable[R_co] | R_co]: ...
