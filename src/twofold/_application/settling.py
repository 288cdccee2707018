"""Wait until the subscriptions of a running application have settled."""

from __future__ import annotations

import anyio

from .._definitions.position import Position
from .._subscriptions.worker import Worker
from .health import health
from .operations import Operations
from .running import Running


async def settle(running: Running, operations: Operations, timeout: float) -> None:
    """Return when every subscription has passed the whole log, no event waits for a retry, and nothing is appended.

    Raises:
        TimeoutError: the subscriptions have not settled in time.
    """
    try:
        with anyio.fail_after(timeout):
            await settled(running)
    except TimeoutError as error:
        found = ", ".join(
            f"{each.name}: {each.lag} behind, {each.retrying} retrying, {each.state}"
            for each in await operations.status()
        )
        problems = (await health(running, running.parts.health)).problems
        wrong = "".join(f" {problem}" for problem in problems)
        raise TimeoutError(f"the subscriptions did not settle within {timeout} s ({found}).{wrong}") from error


async def settled(running: Running, *, retries: bool = True) -> None:
    """Return when nothing is due or waits for a retry, and every subscription has passed the head of a log at rest.

    Args:
        running: the running application.
        retries: whether to wait also for retries that are due later.
    """
    consistency, log = running.assembly.services.consistency, running.parts.write.log
    while True:
        seen = consistency.moved.count
        consistency.awaited.send()
        overdue = await running.timers.overdue()
        if overdue:
            running.assembly.services.scheduled.send()
        head = await log.head()
        passed = [await _has_passed(running, worker, head, retries) for worker in running.workers]
        if all(passed) and not overdue and await running.messaging.quiet() and head == await log.head():
            return
        await consistency.moved.wait(seen, 0.05)


async def _has_passed(running: Running, worker: Worker, head: Position, retries: bool) -> bool:
    checkpoints, subscription = await running.checkpoints(worker), worker.subscription
    checkpoint = running.lowest(checkpoints)
    if checkpoint.position < head or await running.log.lost(checkpoints):
        return False
    if not checkpoint.parked:
        return True
    pending = await subscription.store.parked.retries(subscription.name)
    return not pending or (not retries and min(pending.values()) > await running.log.now(subscription.store))
