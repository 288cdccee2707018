"""The event log: filter, page and follow; and the path of a message."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from twofold import EventPage

from ._render import Notice, console_of, page
from ._timeline import timeline

_PAGE = 50


async def events(request: Request) -> Response:
    """Show the newest events that fit the filters."""
    query, operations = request.query_params, console_of(request).application.operations
    names = ("type", "stream", "correlation", "since", "until", "before", "follow")
    filters = {name: query.get(name, "").strip() for name in names}
    notice, found = None, EventPage((), None)
    try:
        found = await operations.events(
            types=[filters["type"]] if filters["type"] else (),
            stream=filters["stream"] or None,
            correlation_id=_id(filters["correlation"]),
            since=_time(filters["since"]),
            until=_time(filters["until"]),
            before=int(filters["before"]) if filters["before"] else None,
            newest_first=True,
            limit=_PAGE,
        )
    except ValueError as error:
        notice = Notice(f"The filter cannot be used: {error}", "critical")
    return await page(
        request, "events.html", current="events", found=found, filters=filters, notice=notice,
        code=200 if notice is None else 400,
    )  # fmt: skip


async def path(request: Request) -> Response:
    """Show everything that has one correlation id, as a timeline across services."""
    console, text = console_of(request), request.query_params.get("correlation", "").strip()
    if not text:
        recent = await console.application.operations.events(newest_first=True, limit=200)
        starts = {each.correlation_id: each for each in recent.events if each.correlation_id is not None}
        return await page(
            request, "path.html", current="path", correlation="", timeline=None, recent=list(starts.values())[:20]
        )
    try:
        correlation_id = UUID(text)
    except ValueError:
        notice = Notice(f"{text!r} is not a correlation id: it must be a UUID.", "critical")
        return await page(
            request, "path.html", current="path", correlation=text, timeline=None, recent=[], notice=notice, code=400
        )
    found = await timeline(correlation_id, [console.application, *console.services])
    return await page(request, "path.html", current="path", correlation=str(correlation_id), timeline=found, recent=[])


def _id(text: str) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise ValueError(f"the correlation id {text!r} is not a UUID.") from None


def _time(text: str) -> datetime | None:
    """Return a time of a form in UTC."""
    if not text:
        return None
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
