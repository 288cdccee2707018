"""Consumers with pause and resume, and parked messages of other applications: list, retry, discard."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from ._pausing import pause_everywhere, resume_everywhere
from ._render import Notice, console_of, go_to, page

_MOST = 100
"""The largest number of messages that a page shows."""


async def messages(request: Request) -> Response:
    """List the consumers, and the parked messages of one of them, oldest first."""
    console = console_of(request)
    consumers = (await console.samples.latest()).health.consumers
    affected = next((each.name for each in consumers if each.parked), consumers[0].name if consumers else "")
    name = request.query_params.get("consumer") or affected
    found = await console.application.operations.parked_messages(name) if name else ()
    return await page(
        request, "messages.html", current="messages", consumers=consumers, name=name, found=found[:_MOST],
        total=len(found),
    )  # fmt: skip


async def retry(request: Request, form: Mapping[str, str]) -> Response:
    """Deliver one parked message again, or all of a consumer."""
    name, operations = form.get("consumer", ""), console_of(request).application.operations
    number = await operations.retry_messages(name, [form["id"]] if "id" in form else None)
    return await _changed(request, name, Notice(f"{_messages(number)} delivered again."))


async def discard(request: Request, form: Mapping[str, str]) -> Response:
    """Delete the parked messages with an id."""
    name, operations = form.get("consumer", ""), console_of(request).application.operations
    number = await operations.discard_messages(name, [form.get("id", "")])
    return await _changed(request, name, Notice(f"{_messages(number)} discarded."))


async def pause(request: Request, form: Mapping[str, str]) -> Response:
    """Pause a consumer in every process."""
    name, reason = form.get("consumer", ""), form.get("reason", "").strip()
    return await _changed(request, name, await pause_everywhere(request, name, reason))


async def resume(request: Request, form: Mapping[str, str]) -> Response:
    """Resume a paused consumer."""
    name = form.get("consumer", "")
    return await _changed(request, name, await resume_everywhere(request, name))


async def _changed(request: Request, name: str, notice: Notice) -> Response:
    await console_of(request).samples.take()
    return go_to(request, "/messages", notice, consumer=name)


def _messages(count: int) -> str:
    return "1 message is" if count == 1 else f"{count:,} messages are"
