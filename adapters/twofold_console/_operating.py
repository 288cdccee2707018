"""The schedule, the caches and the workers."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from twofold import SubscriptionStatus, SubscriptionWorker

from ._render import Notice, console_of, go_to, page

_MOST = 200


async def schedule(request: Request) -> Response:
    """Show the commands that are due next, and those that have used up their attempts."""
    operations = console_of(request).application.operations
    due, stuck = await operations.scheduled(limit=_MOST), await operations.stuck(limit=_MOST)
    return await page(request, "schedule.html", current="schedule", due=due, stuck=stuck, most=_MOST)


async def retry_scheduled(request: Request, form: Mapping[str, str]) -> Response:
    """Retry a stuck command now, with all its attempts."""
    operations = console_of(request).application.operations
    for each in await operations.stuck(limit=10_000):
        if str(each.entry) == form.get("entry") and await operations.retry_scheduled(each):
            return go_to(request, "/schedule", Notice(f"{each.name} {each.id} is due now."))
    return go_to(request, "/schedule", Notice("The command is not stuck any more."))


async def caches(request: Request) -> Response:
    """Show the counters of the cache, and the queries whose answers are cached."""
    application = console_of(request).application
    sample = await console_of(request).samples.latest()
    problems = [each for each in sample.health.problems if each.code == "cache_unavailable"]
    subscriptions = [each for each in sample.health.subscriptions if each.kind == "cache"]
    topology = application.operations.topology()
    events = {
        status.name: sorted(edge.source.name for edge in topology.edges if edge.target.name == status.name)
        for status in subscriptions
    }
    return await page(
        request, "caches.html", current="caches", stats=application.operations.cache_stats(), problems=problems,
        subscriptions=subscriptions, events=events, samples=console_of(request).samples,
    )  # fmt: skip


async def workers(request: Request) -> Response:
    """Show which process runs which partitions."""
    sample = await console_of(request).samples.latest()
    found: dict[str, list[tuple[SubscriptionStatus, SubscriptionWorker]]] = {}
    for status in sample.health.subscriptions:
        for worker in status.workers:
            found.setdefault(worker.owner, []).append((status, worker))
    uncovered = [
        each for each in sample.health.subscriptions if not each.covered and each.state != "inline" and not each.pause
    ]
    return await page(request, "workers.html", current="workers", workers=found, uncovered=uncovered)
