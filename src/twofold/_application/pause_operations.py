"""Operations that pause a subscription and resume it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._background.backoff import Backoff
from .._background.polling import poll_until
from .._background.shown import shown
from .._definitions.names import is_text
from .._subscriptions.worker import Worker
from ..ports.subscription_store import Pause
from .operating import Operating

if TYPE_CHECKING:
    from .._integration.inbound import Inbound
    from .running import Running

_LONGEST_REASON = 500
"""The maximum number of characters of a reason."""

_PAUSABLE = "projection", "event_handler", "process", "relay"
"""The kinds of subscriptions that can be paused. Without the invalidation of cached answers, queries would wait."""


class PauseOperations(Operating):
    """The operations that pause and resume."""

    async def pause(self, subscription: str, *, reason: str = "", timeout: float = 30.0) -> None:
        """Pause a projection, an event handler, a process, a relay or a consumer in every process, until `resume`.

        The pause is stored beside the checkpoint, so it outlives restarts and deployments. Workers finish their current
        transaction: a batch of a projection, or an event of an event handler. This call waits for them. Later events are
        not processed, and pending retries wait. Other subscriptions continue. A session's query that waits for a paused
        projection raises `ReadNotReady` immediately.

        A consumer is what receives the events of another application (`consume`). While it is paused, the broker keeps its
        messages. Pausing a paused subscription changes nothing. Rebuilds and replays work during a pause.

        Args:
            subscription: the name of a projection, event handler, process, relay or consumer (`<application>.<source>`).
            reason: why it is paused, for the status, at most 500 characters.
            timeout: how long to wait for the workers of all processes, in seconds.

        Raises:
            LookupError: there is no such subscription.
            ValueError: the subscription cannot be paused, or the reason is not a text that every store can keep.
            TimeoutError: a worker is still processing events. The pause is stored; the worker stops after its transaction.
        """
        running = self._running()
        inbound = _consumer(running, subscription)
        worker = self._pausable("pause", subscription) if inbound is None else None
        if not is_text(reason) or len(reason) > _LONGEST_REASON:
            raise ValueError(
                f"cannot pause {subscription!r} because of {shown(reason)}: the reason must be a str of at most "
                f"{_LONGEST_REASON} characters, without NUL and without half of a surrogate pair."
            )
        if worker is not None:
            await _pause_worker(running, worker, reason, timeout)
        elif inbound is not None:
            await _pause_consumer(running, inbound, reason, timeout)

    async def resume(self, subscription: str) -> bool:
        """Resume a paused subscription. It continues where it has stopped, in every process within a third of the lease.

        Args:
            subscription: the name of a projection, event handler, relay or consumer.

        Returns:
            Whether the subscription was paused.

        Raises:
            LookupError: there is no such subscription.
            ValueError: the subscription cannot be paused.
        """
        running = self._running()
        inbound = _consumer(running, subscription)
        worker = self._pausable("resume", subscription) if inbound is None else None
        store = running.parts.write if worker is None else worker.subscription.store
        paused = await store.subscriptions.paused(subscription)
        await store.subscriptions.resume(subscription)
        if worker is not None:
            worker.refresh()
        if inbound is not None:
            inbound.pausing.refresh()
        return paused is not None

    def _pausable(self, attempt: str, subscription: str) -> Worker:
        running = self._running()
        if subscription in {each.name for each in running.assembly.inline}:
            raise ValueError(f"cannot {attempt} {subscription!r}: the projection is inline, so that commands apply it.")
        running.store_of(subscription)
        worker = next(each for each in running.workers if each.subscription.name == subscription)
        if worker.subscription.kind not in _PAUSABLE:
            raise ValueError(
                f"cannot {attempt} {subscription!r}: the subscription invalidates cached answers, and queries would wait. "
                "Projections, event handlers, processes, relays and consumers can be paused."
            )
        return worker


def _consumer(running: Running, name: str) -> Inbound | None:
    return next((each for each in running.messaging.inbound if each.feed.consumer == name), None)


async def _pause_worker(running: Running, worker: Worker, reason: str, timeout: float) -> None:
    """Record a pause, and wait until no worker holds a partition."""
    store, subscription = worker.subscription.store, worker.subscription.name
    owners: Sequence[str] = ()

    async def is_still() -> bool:
        nonlocal owners
        partitions = await store.subscriptions.partitions(subscription)
        owners = sorted({each.owner for each in partitions if each.owner is not None})
        running.notifications.appended.send()  # ends the wait of workers in this process
        return not owners

    if not await store.subscriptions.partitions(subscription):
        await worker.create()
    await store.subscriptions.pause(subscription, Pause(await running.log.now(store), reason))
    worker.refresh()
    if not await poll_until(is_still, Backoff(0.01, 0.2), seconds=timeout):
        raise TimeoutError(
            f"the pause of {subscription!r} is stored, but a worker was still processing events after {timeout:g} s: "
            f"{', '.join(owners)}. The worker stops after its current batch or event. Call pause again to wait longer."
        )


async def _pause_consumer(running: Running, inbound: Inbound, reason: str, timeout: float) -> None:
    """Record a pause, and wait until no process receives."""
    consumer, store = inbound.feed.consumer, running.parts.write

    async def is_still() -> bool:
        inbound.pausing.refresh()
        return not await store.subscriptions.attend(consumer, f"{running.owner}/pause", seconds=0)

    await store.subscriptions.pause(consumer, Pause(await running.log.now(store), reason))
    if not await poll_until(is_still, Backoff(0.01, 0.2), seconds=timeout):
        raise TimeoutError(
            f"the pause of {consumer!r} is stored, but a process was still receiving after {timeout:g} s. The process stops "
            "after its current messages. Call pause again to wait longer."
        )
