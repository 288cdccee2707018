"""Processes (sagas, process managers): the stored state of each, and the lists that operators read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol, TypeAlias
from uuid import UUID

from .._definitions.position import Position

ProcessState: TypeAlias = Literal["running", "waiting", "completed", "compensating", "failed", "compensation_stuck"]
"""The state of a process. "running": a command has no reply yet. "waiting": it waits for an event or a timeout.
"completed" and "failed" are the end, "failed" after all compensations. "compensating": compensations run, in reverse order.
"compensation_stuck": a compensation failed after its last attempt, and an operator must retry it."""

ENDED: tuple[ProcessState, ...] = ("completed", "failed")
"""The states in which a process has ended."""


class ProcessRecord(NamedTuple):
    """The stored process of one key.

    Attributes:
        process: the name of the process class.
        key: the correlation key, at most 200 characters.
        incarnation: the id of the event that started it. A key that is used again after the end has another incarnation.
        state: its state.
        schema: the version of its fields.
        data: its fields, as JSON text.
        progress: its commands without a reply, its compensations and its timeouts, as JSON text.
        reason: why it compensates or has failed, or the error of a compensation that is stuck; empty otherwise.
        position: the position of the last event that it has handled.
        time: when it changed last, in UTC.
    """

    process: str
    key: str
    incarnation: UUID
    state: ProcessState
    schema: int
    data: str
    progress: str
    reason: str
    position: Position
    time: datetime


class ProcessReader(Protocol):
    """Read the committed processes: `WriteStore.processes`."""

    async def get(self, process: str, key: str) -> ProcessRecord | None:
        """Return the last incarnation of a key, or None."""
        ...

    async def list(
        self,
        *,
        process: str | None = None,
        state: ProcessState | None = None,
        after: tuple[str, str] | None = None,
        limit: int,
    ) -> Sequence[ProcessRecord]:
        """Return processes in the order of their names and keys, by code points.

        Args:
            process: the name of a process class; None for all.
            state: the state; None for all.
            after: the name and the key of the process after which to begin.
            limit: the maximum number, at least 1.
        """
        ...

    async def counts(self) -> Mapping[tuple[str, ProcessState], int]:
        """Return the number of processes by name and state, without those of number 0."""
        ...

    async def delete(self, *, before: datetime, limit: int) -> int:
        """Delete at most `limit` ended processes that have not changed since a time; return how many were deleted."""
        ...


class ProcessWriter(Protocol):
    """Read and change processes, atomic with everything else in the transaction: `WriteTransaction.processes`.

    One worker at a time changes the processes of a partition: it holds the lease, and moves the checkpoint in the same
    transaction. So the store needs no version of its own. Keys that differ in a single character, in case, or by a space at
    the end are different keys.
    """

    async def read(self, process: str, keys: Sequence[str]) -> Mapping[str, ProcessRecord]:
        """Return the last incarnations of keys, with the changes of this transaction. An unknown key is left out."""
        ...

    async def write(self, records: Sequence[ProcessRecord]) -> None:
        """Store processes, each in place of the stored one with the same name and key."""
        ...
