"""The stored records of the steps of one input. Each change is a transaction of its own."""

from __future__ import annotations

from itertools import count
from typing import Final

import anyio

from .._background.backoff import Backoff
from .._dispatch.inputs import StepInput
from .._dispatch.services import Services
from .._writing.transactions import writing
from ..errors import CommitFailed, CommitUnknown, TransientFailure
from ..ports.step_results import StepRecord, StepState

_ATTEMPTS: Final = 6
"""How often an outcome is tried to be stored while the store fails. To store it twice is the same as to store it once."""


class StepRecords:
    """Reads the records of an input once, and stores the records of its steps.

    Args:
        services: the services of the application.
        of: the input.
    """

    def __init__(self, services: Services, of: StepInput) -> None:
        self._services = services
        self._input = of
        self._known: dict[str, StepRecord] | None = None

    async def find(self, step: str) -> StepRecord | None:
        """Return the record of a step that an earlier attempt has stored."""
        if self._known is None:
            found = await self._services.write.store.steps.read(self._input.owner, self._input.id)
            self._known = {each.name: each for each in found}
        return self._known.get(step)

    async def begin(self, step: str) -> StepRecord | None:
        """Record that a step begins; return the record that another attempt has stored, if there is one."""
        async with writing(self._services.write.store) as transaction:
            return await transaction.steps.begin(self._record(step, "begun", None))

    async def keep(self, step: str, state: StepState, outcome: str) -> StepRecord:
        """Store the outcome of a step, although the task may be cancelled. Return the outcome that was stored first.

        Raises:
            TransientFailure, CommitFailed, CommitUnknown: the store failed several times.
        """
        record, backoff = self._record(step, state, outcome), Backoff()
        with anyio.CancelScope(shield=True):
            for attempt in count(1):
                try:
                    return await self._keep(record)
                except (TransientFailure, CommitFailed, CommitUnknown):
                    if attempt == _ATTEMPTS:
                        raise
                    await anyio.sleep(backoff.next())
        raise AssertionError("unreachable")

    async def delete(self, step: str) -> None:
        """Delete the record of a step."""
        with anyio.CancelScope(shield=True):
            async with writing(self._services.write.store) as transaction:
                await transaction.steps.delete(self._input.owner, self._input.id, step)

    async def _keep(self, record: StepRecord) -> StepRecord:
        async with writing(self._services.write.store) as transaction:
            return await transaction.steps.keep(record)

    def _record(self, step: str, state: StepState, outcome: str | None) -> StepRecord:
        return StepRecord(self._input.owner, self._input.id, step, state, outcome, self._services.write.clock.now())
