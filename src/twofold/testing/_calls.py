"""The outside calls of durable steps in a scenario: recorded, and replaced by outcomes that the test gives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from .._dispatch.inputs import StepCall
from ._outcome import OutsideCall


class Calls:
    """Makes or replaces outside calls.

    Attributes:
        made: the calls since the list was cleared, in the order in which they ended.
    """

    def __init__(self) -> None:
        self.made: list[OutsideCall] = []
        self._given: dict[str, list[object]] = {}

    def give(self, step: str, *outcomes: object) -> None:
        """Replace the next calls of a step by outcomes: results, or exceptions to raise. The last one stays."""
        if not outcomes:
            raise TypeError(f"given_call({step!r}): pass at least one result or exception.")
        self._given[step] = list(outcomes)

    async def perform(self, call: StepCall, make: Callable[[str], Awaitable[Any]]) -> Any:
        """Make a call, or give its outcome, and record it."""
        try:
            result = await self._outcome(call, make)
        except Exception as error:
            self._note(call, None, error)
            raise
        self._note(call, result, None)
        return result

    async def _outcome(self, call: StepCall, make: Callable[[str], Awaitable[Any]]) -> Any:
        given = self._given.get(call.step)
        if given is None:
            return await make(call.key)
        outcome = given.pop(0) if len(given) > 1 else given[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _note(self, call: StepCall, result: Any, error: Exception | None) -> None:
        self.made.append(OutsideCall(call.subscription, call.step, call.key, result, error))
