"""The overview, and the page of one subscription."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from ._format import condition
from ._pausing import pause_everywhere, resume_everywhere
from ._render import Notice, Unavailable, console_of, go_to, page

_TONES = ("critical", "warning", "note", "ok")


async def overview(request: Request) -> Response:
    """Show health and all subscriptions, those with problems first."""
    samples = console_of(request).samples
    sample = await samples.latest()
    wanted, text = request.query_params.get("show", "all"), request.query_params.get("q", "").strip().lower()
    every = [(each, condition(each, sample.health)) for each in sample.health.subscriptions]
    every.sort(key=lambda found: (_TONES.index(found[1].tone), found[0].name))
    rows = [
        (status, word)
        for status, word in every
        if text in status.name.lower()
        and (wanted in ("all", status.kind) or (wanted == "attention" and word.tone != "ok"))
    ]
    kinds = sorted({each.kind for each, _ in every})
    attention = sum(word.tone != "ok" for _, word in every)
    return await page(
        request, "overview.html", current="overview", rows=rows, every=every, samples=samples, show=wanted, q=text,
        kinds=kinds, attention=attention,
    )  # fmt: skip


async def subscription(request: Request) -> Response:
    """Show one subscription."""
    samples, name = console_of(request).samples, request.query_params.get("name", "")
    sample = await samples.latest()
    status = sample.status(name)
    if sample.away is not None:
        raise Unavailable(sample.away)
    if status is None:
        raise LookupError(f"there is no subscription {name!r}.")
    problems = [each for each in (*sample.health.problems, *sample.health.notes) if each.subject == name]
    return await page(
        request, "subscription.html", current="overview", status=status, samples=samples, problems=problems,
        word=condition(status, sample.health),
    )  # fmt: skip


async def pause(request: Request, form: Mapping[str, str]) -> Response:
    """Pause a subscription in every process."""
    name = form.get("subscription", "")
    return await _changed(request, name, await pause_everywhere(request, name, form.get("reason", "").strip()))


async def resume(request: Request, form: Mapping[str, str]) -> Response:
    """Resume a paused subscription."""
    name = form.get("subscription", "")
    return await _changed(request, name, await resume_everywhere(request, name))


async def _changed(request: Request, name: str, notice: Notice) -> Response:
    await console_of(request).samples.take()
    return go_to(request, "/subscription", notice, name=name)
