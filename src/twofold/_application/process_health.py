"""The problems of processes: compensations that are stuck."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .problems import Problem

if TYPE_CHECKING:
    from .running import Running

_NAMED = 10
"""The maximum number of stuck processes that a probe names."""


async def process_problems(running: Running) -> Sequence[Problem]:
    """Return the processes whose compensation is stuck. An application without processes reads nothing."""
    if not any(each.kind == "process" for each in running.assembly.subscriptions):
        return ()
    found = await running.parts.write.processes.list(state="compensation_stuck", limit=_NAMED)
    return [
        Problem(
            "process_stuck",
            "warning",
            each.process,
            f"the process {each.process} {each.key!r} is stuck at a compensation: {each.reason}",
            f"Correct the cause, and retry it with app.operations.retry_process({each.process!r}, {each.key!r}).",
        )
        for each in found
    ]
