"""Objects of the outside world, which processes call."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any, Final, TypeVar, cast

from .faults import Kind
from .simulated_process import SimulatedProcess

T = TypeVar("T")

_BEFORE: Final[tuple[Kind, ...]] = ("delay", "crash")
_AFTER: Final[tuple[Kind, ...]] = ("crash",)


def outside(target: T, name: str, process: Callable[[], SimulatedProcess | None]) -> T:
    """Return an object whose async methods are points of the process that calls them."""
    return cast(T, _Outside(target, name, process))


class _Outside:
    def __init__(self, target: Any, name: str, process: Callable[[], SimulatedProcess | None]) -> None:
        self._target = target
        self._name = name
        self._process = process

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._target, method)
        if not iscoroutinefunction(found):
            return found

        async def call(*args: Any, **options: Any) -> Any:
            process = self._process()
            if process is None:
                return await found(*args, **options)
            await process.at(f"{self._name}.{method}", _BEFORE)
            result = await found(*args, **options)
            await process.at(f"{self._name}.{method} returned", _AFTER)
            return result

        return call
