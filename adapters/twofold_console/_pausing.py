"""Pause and resume a subscription or a consumer."""

from __future__ import annotations

from starlette.requests import Request

from ._render import Notice, console_of

PATIENCE = 5.0
"""Seconds that a page waits for workers."""


async def pause_everywhere(request: Request, name: str, reason: str) -> Notice:
    """Pause a subscription or a consumer in every process, and return what to show."""
    try:
        await console_of(request).application.operations.pause(name, reason=reason, timeout=PATIENCE)
    except TimeoutError:
        return Notice(f"{name} is paused. A worker still finishes its transaction.")
    return Notice(f"{name} is paused in every process.")


async def resume_everywhere(request: Request, name: str) -> Notice:
    """Resume a subscription or a consumer, and return what to show."""
    paused = await console_of(request).application.operations.resume(name)
    return Notice(f"{name} is resumed." if paused else f"{name} was not paused.")
