"""Parked events (dead letters): list, show, edit and retry, discard, and repair by the class of the error."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from ._pausing import PATIENCE
from ._render import Notice, console_of, go_to, page

_PAGE = 50
_GROUPED = 2_000
"""The number of parked events that are counted by their error. A subscription may have any number of them."""


async def parked(request: Request) -> Response:
    """List the parked events of one subscription, and their number by error."""
    operations, query = console_of(request).application.operations, request.query_params
    sample = await console_of(request).samples.latest()
    affected = [each for each in sample.health.subscriptions if each.parked or each.retrying]
    affected.sort(key=lambda each: (-each.parked, each.name))
    name = query.get("subscription") or (affected[0].name if affected else "")
    if not name:
        return await page(request, "parked.html", current="parked", affected=affected, name="", events=[], groups=[])
    error, after = query.get("error", ""), query.get("after")
    every = await operations.parked(name, limit=_GROUPED + 1)
    events = await operations.parked(name, error=error or None, after=int(after) if after else None, limit=_PAGE + 1)
    groups = Counter(_error_of(each.reason) for each in every[:_GROUPED] if each.attempts)
    keys = len({each.key for each in every[:_GROUPED]})
    return await page(
        request, "parked.html", current="parked", affected=affected, name=name, error=error, events=events[:_PAGE],
        more=events[_PAGE - 1].event.position if len(events) > _PAGE else None, groups=groups.most_common(),
        total=len(every[:_GROUPED]), keys=keys, after=after, grouped_all=len(every) <= _GROUPED,
    )  # fmt: skip


async def parked_event(
    request: Request, *, notice: Notice | None = None, payload: str | None = None, form: Mapping[str, str] | None = None
) -> Response:
    """Show one parked event, with its secrets masked, and a form that edits it."""
    given: Mapping[str, str] = form or request.query_params
    name, key, event_id = _place(given)
    details = await console_of(request).application.operations.show(name, key, event_id)
    return await page(
        request, "parked_event.html", current="parked", name=name, details=details, notice=notice,
        code=200 if notice is None else 400, text=payload, by=given.get("by", ""), why=given.get("reason", ""),
    )  # fmt: skip


async def edit(request: Request, form: Mapping[str, str]) -> Response:
    """Replace the payload of a parked event, and retry its key unless only saving was asked for."""
    name, key, event_id = _place(form)
    operations, text = console_of(request).application.operations, form.get("payload", "")
    try:
        payload = _fields(text)
        by, reason = form.get("by", "").strip(), form.get("reason", "").strip()
        await operations.edit(name, key, event_id, payload, by=by, reason=reason)
    except ValueError as error:
        return await parked_event(request, notice=Notice(str(error), "critical"), payload=text, form=form)
    if form.get("then") == "retry":
        return await _retried(request, name, key)
    return go_to(
        request, "/parked/event", Notice("The payload is replaced for this subscription."),
        subscription=name, key=key, id=event_id,
    )  # fmt: skip


async def retry(request: Request, form: Mapping[str, str]) -> Response:
    """Retry the parked events of a key, or of every key whose first event failed with an error."""
    name = form.get("subscription", "")
    if "error" in form:
        return await _retried(request, name, None, error=form["error"] or None)
    return await _retried(request, name, form.get("key", ""))


async def discard(request: Request, form: Mapping[str, str]) -> Response:
    """Discard one parked event, or every event that an error has parked."""
    name, operations = form.get("subscription", ""), console_of(request).application.operations
    if form.get("error"):
        gone = await operations.discard(name, error=form["error"])
    else:
        name, key, event_id = _place(form)
        gone = await operations.discard(name, key, event_id=event_id)
    await console_of(request).samples.take()
    return go_to(request, "/parked", Notice(f"{_events(len(gone))} discarded."), subscription=name)


async def _retried(request: Request, name: str, key: str | None, *, error: str | None = None) -> Response:
    operations = console_of(request).application.operations
    try:
        left = await operations.retry(name, key, error=error, timeout=PATIENCE)
        notice = Notice("The events were processed.")
        if left:
            notice = Notice(f"{_events(len(left))} still parked. The first one: {left[0].reason}", "critical")
    except TimeoutError:
        notice = Notice(f"The retry is requested. No worker has finished it within {PATIENCE:g} seconds.")
    await console_of(request).samples.take()
    return go_to(request, "/parked", notice, subscription=name)


def _fields(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the payload is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError("the payload must be a JSON object with all fields of the event.")  # noqa: TRY004 -- a text
    return found


def _place(given: Mapping[str, str]) -> tuple[str, str, UUID]:
    return given.get("subscription", ""), given.get("key", ""), UUID(given.get("id", ""))


def _error_of(reason: str) -> str:
    name, colon, _ = reason.partition(":")
    return name if colon and name.isidentifier() else ""


def _events(count: int) -> str:
    return "1 event is" if count == 1 else f"{count:,} events are"
