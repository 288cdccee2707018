"""Results of durable steps: outside calls whose results are stored, so that a retry does not repeat the calls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol, TypeAlias
from uuid import UUID

StepState: TypeAlias = Literal["begun", "kept", "failed", "unstorable"]
"""The state of a step: begun and without an outcome, or its outcome: a result, a final error, or a result without JSON."""


class StepRecord(NamedTuple):
    """The stored record of a step.

    Attributes:
        owner: the name of the subscription whose handler ran the step.
        input: the id of the event that the handler was called with.
        name: the name of the step, at most 200 characters.
        state: what is known of the outside call.
        outcome: the result, or the error, as JSON text; None while the outcome is not known.
        time: when the record was stored, UTC.
    """

    owner: str
    input: UUID
    name: str
    state: StepState
    outcome: str | None
    time: datetime


class StepReader(Protocol):
    """Read the committed records of steps: `WriteStore.steps`."""

    async def read(self, owner: str, input: UUID) -> Sequence[StepRecord]:
        """Return the records of an input, in the order of their names by code points."""
        ...


class StepResults(Protocol):
    """Store the outcomes of steps: `WriteTransaction.steps`.

    A record belongs to its transaction. Other transactions see it after the commit; a rollback, also of a savepoint, undoes
    it. When several transactions store a record of the same step at the same time, the others *wait* until the first one
    has ended. After its commit they receive its record.

    Names that differ in a single character, in case, or by a space at the end are different names.
    """

    async def begin(self, record: StepRecord) -> StepRecord | None:
        """Store a record without an outcome, unless there is a record of the step.

        Args:
            record: the record to store. Its state is "begun", and its outcome is None.

        Returns:
            None when there was no record and the record is now stored; otherwise the stored record.

        Raises:
            TransientFailure: the wait timed out. The transaction must be rolled back.
        """
        ...

    async def keep(self, record: StepRecord) -> StepRecord:
        """Store an outcome, unless one is stored. It replaces a record without an outcome.

        Args:
            record: the record to store. It has an outcome.

        Returns:
            The stored record: this one, or the one whose outcome was stored first.

        Raises:
            TransientFailure: the wait timed out. The transaction must be rolled back.
        """
        ...

    async def delete(self, owner: str, input: UUID, name: str | None = None) -> int:
        """Delete the record of a step, or all records of an input (None). Return the number of deleted records.

        Raises:
            TransientFailure: the wait timed out. The transaction must be rolled back.
        """
        ...
