"""The processes (sagas), by state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

from starlette.requests import Request
from starlette.responses import Response

from twofold.ports import ProcessState

from ._render import Notice, console_of, go_to, page

_MOST = 200

_STATES: Final[tuple[ProcessState, ...]] = get_args(ProcessState)


async def processes(request: Request) -> Response:
    """Show the number of processes by name and state, those that are stuck, and the processes of a name and a state."""
    operations = console_of(request).application.operations
    name, state = request.query_params.get("name") or None, _state(request.query_params.get("state", ""))
    key = request.query_params.get("after")
    after = (name, key) if name is not None and key is not None else None
    found = await operations.processes(name, state=state, after=after, limit=_MOST)
    stuck = await operations.processes(state="compensation_stuck", limit=_MOST)
    counts = await operations.process_counts()
    return await page(
        request, "processes.html", current="processes", found=found, stuck=stuck, counts=sorted(counts.items()), name=name,
        state=state, states=_STATES, most=_MOST,
    )  # fmt: skip


async def retry(request: Request, form: Mapping[str, str]) -> Response:
    """Retry the compensation at which a process is stuck."""
    name, key = form.get("name", ""), form.get("key", "")
    if await console_of(request).application.operations.retry_process(name, key):
        return go_to(request, "/processes", Notice(f"The compensation of {name} {key} is retried."))
    return go_to(request, "/processes", Notice("The compensation is not stuck any more."))


def _state(given: str) -> ProcessState | None:
    return next((each for each in _STATES if each == given), None)
