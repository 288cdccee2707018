"""The status of a process, for operators."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ..ports.processes import ProcessRecord, ProcessState
from .instance import Progress


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """The current status of one process.

    Attributes:
        name: the name of the process class.
        key: the key.
        state: "running" (a command has no reply yet), "waiting" (for an event or a timeout), "completed", "compensating",
            "failed" (after all compensations), or "compensation_stuck".
        reason: why it compensates or has failed, or the error of a compensation that is stuck; empty otherwise.
        fields: its fields, as JSON values, of the version that is stored.
        unanswered: the number of commands without a reply.
        compensations: the wire names of the compensations that are due if it is compensated, the first one first.
        timeouts: the names of the timeouts that run.
        incarnation: the id of the input that started it. A key that is used again has another incarnation.
        changed: when it changed last, in UTC.
    """

    name: str
    key: str
    state: ProcessState
    reason: str
    fields: Mapping[str, Any]
    unanswered: int
    compensations: tuple[str, ...]
    timeouts: tuple[str, ...]
    incarnation: UUID
    changed: datetime


def status_of(record: ProcessRecord) -> ProcessStatus:
    """Return the status of a stored process. The fields are not decoded by their class, which may have changed."""
    progress = Progress.model_validate_json(record.progress)
    return ProcessStatus(
        name=record.process,
        key=record.key,
        state=record.state,
        reason=record.reason,
        fields=json.loads(record.data),
        unanswered=len(progress.sent),
        compensations=tuple(each.name for each in reversed(progress.completed)),
        timeouts=tuple(progress.timers),
        incarnation=record.incarnation,
        changed=record.time,
    )
