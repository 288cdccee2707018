"""A store whose calls are points of a simulation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from inspect import iscoroutinefunction
from typing import Any, Final

from ..._definitions.view import View
from ...errors import CommitUnknown, TransientFailure
from .faults import Kind
from .simulated_process import SimulatedProcess

_READS: Final[tuple[Kind, ...]] = ("delay", "fail")
_WRITES: Final[tuple[Kind, ...]] = ("delay", "fail", "crash")
_COMMITS: Final[tuple[Kind, ...]] = ("delay", "fail", "crash", "commit-crash", "commit-unknown", "lose-unknown")


class SimulatedStore:
    """A store as one process sees it. Each call may be delayed, fail, or be the last one of the process.

    Args:
        inner: the store that all processes share.
        process: the process.
    """

    def __init__(self, inner: Any, process: SimulatedProcess) -> None:
        self._inner = inner
        self._process = process

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if callable(found):
            return found
        part = _Part(found, name, self._process, _READS, None)
        self.__dict__[name] = part  # the next access finds it without a call
        return part

    async def begin(self, *, read_only: bool = False) -> Any:
        """Begin a transaction."""
        await _may_fail(self._process, "begin", _READS)
        inner = await self._inner.begin(read_only=read_only)
        return _Transaction(inner, self._process, _READS if read_only else _WRITES)


class _Transaction:
    def __init__(self, inner: Any, process: SimulatedProcess, kinds: tuple[Kind, ...]) -> None:
        self._inner = inner
        self._process = process
        self._kinds = kinds
        self._notes: dict[str, None] = {}

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if callable(found):
            return found
        return self._part(found, name)

    def rows(self, view: type[View], *, shadow: bool = False) -> Any:
        return self._part(self._inner.rows(view, shadow=shadow), f"rows of {view.view_name}")

    def state(self, aggregate_type: type[Any]) -> Any:
        return self._part(self._inner.state(aggregate_type), f"state of {aggregate_type.aggregate_name}")

    async def commit(self) -> None:
        process = self._process
        label = f"commit {', '.join(self._notes)}" if self._notes else "commit"
        fault = await process.at(label, _COMMITS)
        match fault:
            case None:
                await self._inner.commit()
                return
            case "fail":
                raise TransientFailure(f"{label}: the simulation let it fail")
            case "lose-unknown":
                await self._inner.rollback()
            case _:
                await self._inner.commit()
        if fault == "commit-crash":
            process.crash()
        raise CommitUnknown(f"{label}: the simulation lost the answer")

    async def rollback(self) -> None:
        await self._inner.rollback()

    def _part(self, found: Any, label: str) -> _Part:
        return _Part(found, label, self._process, self._kinds, self._notes)


class _Part:
    def __init__(
        self, inner: Any, label: str, process: SimulatedProcess, kinds: tuple[Kind, ...], notes: dict[str, None] | None
    ) -> None:
        self._inner = inner
        self._label = label
        self._process = process
        self._kinds = kinds
        self._notes = notes

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        cls: Any = type(self._inner)
        return self._point(found, name) if _is_async(cls, name) else found

    def _point(self, method: Callable[..., Any], name: str) -> Callable[..., Any]:
        async def call(*args: Any, **options: Any) -> Any:
            subject = args[0] if args and type(args[0]) is str else ""
            if self._notes is not None and subject and self._label in _NOTED:
                self._notes[subject] = None
            await _may_fail(self._process, f"{self._label}.{name} {subject}".rstrip(), self._kinds)
            return await method(*args, **options)

        return call


_NOTED: Final = {"log", "checkpoints"}
"""The parts whose first argument says what a commit is about: a stream, or a subscription."""


@cache
def _is_async(cls: Any, name: str) -> bool:
    return iscoroutinefunction(getattr(cls, name, None))


async def _may_fail(process: SimulatedProcess, label: str, kinds: tuple[Kind, ...]) -> None:
    if await process.at(label, kinds) == "fail":
        raise TransientFailure(f"{label}: the simulation let it fail")
