"""Messaging with other applications: the relay, received events, and served requests."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

import anyio

from .._background.failures import description
from .._background.log_lines import logger_of
from .._consistency.arrivals import Arrivals
from .._consistency.waiting import Runs
from .._definitions.envelope import Origin
from .._dispatch.session import Session
from .._integration.cloud_events_decoding import identity_of
from .._integration.inbound import Inbound
from .._integration.pausing import Pausing
from .._integration.relay import ProgressReports, Republish
from .._integration.source_losses import open_loss
from .._remote.serving import Serving
from .._subscriptions.subscription import Subscription
from .._wiring.assembly import Assembly
from .._wiring.parts import Parts
from .._wiring.subscriptions import feed_filter
from ..errors import TransientFailure, TwofoldError
from ..ports.checkpoints import Checkpoint
from ..ports.transport import Transport
from .problems import Problem

logger = logger_of("twofold.broker")

_PATIENCE = 2.0
"""Seconds that a health probe waits for the number of parked messages."""

Report = Callable[[str, Checkpoint | None, Runs], None]
"""Receives the checkpoints of a subscription; None when other processes run some of its partitions."""


class Messaging:
    """The broker connections of a running application. It does nothing when the application has no broker.

    Args:
        parts: the parts of the application.
        assembly: its checked wiring.
        appended: called after events of other applications were recorded.
        open_session: opens a session for a request.
        republish: lets the relay publish events again.
        owner: the name of this process.
    """

    def __init__(
        self,
        parts: Parts,
        assembly: Assembly,
        appended: Callable[[], None],
        open_session: Callable[[Origin, str | None], Session],
        republish: Republish,
        owner: str,
    ) -> None:
        self._name, services = parts.name, assembly.services
        self._store = parts.write
        self.inbound: tuple[Inbound, ...] = ()
        self.serving: Serving | None = None
        self.arrivals: Arrivals | None = None
        """Tracks the events of other applications that sessions wait for."""
        self._broker = broker = assembly.broker
        self._uncounted: Exception | None = None
        """Why parked messages could not be counted."""
        self._progress: ProgressReports | None = None
        if parts.requests is not None:
            for entry in parts.registered.served:
                self.serving = Serving(
                    parts.requests,
                    parts.name,
                    entry.messages,
                    open_session,
                    partitions=entry.partitions,
                    recorder=services.recorder,
                )
        if broker is None:
            return
        if broker.feeds:
            feeds = list(zip(parts.registered.consumed, broker.feeds, strict=True))
            sources = [(entry.source, feed, broker.transport.partitions(feed)) for entry, feed in feeds]
            self.arrivals = Arrivals(parts.write, sources, identity_of)
            self.inbound = tuple(
                Inbound(
                    feed,
                    feed_filter(parts, entry),
                    broker,
                    services.write,
                    appended,
                    Pausing(feed.consumer, parts.write, owner, parts.lease),
                    services.recorder,
                )
                for entry, feed in feeds
            )
        if parts.registered.relays:
            self._progress = ProgressReports(broker, parts.write, parts.name, parts.clock, parts.ids, republish)

    async def open(self, *, work: bool) -> None:
        """Connect to the broker and declare what this application receives, so that the broker stores messages from now on.

        If the broker is unavailable, the application starts anyway and connects later. A process that neither receives
        nor relays events does not connect here.

        Args:
            work: whether this process runs the relay.

        Raises:
            ConfigurationError: the broker refuses the login, or has a queue or exchange with other properties.
        """
        broker = self._broker
        if broker is not None and (broker.feeds or (work and self._progress is not None)):
            try:
                await broker.reach()
            except TransientFailure as error:
                logger.warning("%s starts without its broker and connects later: %s", self._name, error)

    def jobs(self, *, work: bool) -> Iterator[Callable[[], Coroutine[Any, Any, None]]]:
        """Yield the background jobs; `work` adds those of a process that runs subscriptions."""
        if self._broker is not None and not self._broker.reached:
            yield self._broker.keep_reaching
        for each in (*self.inbound, self.serving, self._progress) if work else ():
            if each is not None:
                yield each.run
        for inbound in self.inbound if work else ():
            yield inbound.pausing.watch

    async def begun(self) -> None:
        """Return when other processes can reach the served messages, or when the first attempt has failed."""
        if self.serving is not None:
            await self.serving.tried.wait()

    def report_of(self, subscription: Subscription, report: Report) -> Report:
        """Return the receiver of a subscription's checkpoints. Those of the relay are published as well."""
        progress = self._progress
        if subscription.kind != "relay" or progress is None:
            return report

        def report_both(name: str, checkpoint: Checkpoint | None, runs: Runs) -> None:
            report(name, checkpoint, runs)
            progress.report(checkpoint)

        return report_both

    async def quiet(self) -> bool:
        """Return whether the broker has no message for this application; False when the broker is unavailable."""
        if self._broker is None or not self._broker.feeds:
            return True
        try:
            transport = await self._broker.reach()
            return not any([await transport.waiting(feed) for feed in self._broker.feeds])
        except TransientFailure:
            return False

    async def transport(self) -> Transport:
        """Return the connected transport of an application that consumes.

        Raises:
            TransientFailure: the broker does not answer.
            LookupError: the application has no broker.
        """
        if self._broker is None:
            raise LookupError("The application has no broker. Pass transport= to the application.")
        return await self._broker.reach()

    async def parked_count(self, consumer: str) -> int | None:
        """Return the number of parked messages of a consumer; None if the broker does not answer in time, or fails."""
        if self._broker is None or not self._broker.reached:
            return None
        try:
            with anyio.fail_after(_PATIENCE):
                found = await self._broker.transport.parked_count(consumer)
        except TimeoutError:
            self._uncounted = TransientFailure(f"no answer within {_PATIENCE:g} s")
            return None
        except TwofoldError as error:
            self._uncounted = error
            return None
        self._uncounted = None
        return found

    def problems(self) -> Iterator[Problem]:
        """Yield the problems of the connections to the broker."""
        away = None if self._broker is None else self._broker.error or self._uncounted
        serving = None if self.serving is None else self.serving.problem
        if away is not None and serving is None and not any(each.failure for each in self.inbound):
            text = f"the broker is unavailable: {description(away)}"
            yield Problem("broker_unavailable", "critical", "", text, "Check the broker. The connection is retried.")
        for each in self.inbound:
            yield from _of_inbound(each)
        if self._progress is not None and self._progress.error is not None:
            text = f"the broker may have lost events, which cannot be relayed again: {self._progress.error}"
            advice = (
                "The relay waits. Let it continue with app.operations.replay(name, after=...), at the last event before "
                "that position which the event log has. Receivers drop duplicates."
            )
            yield Problem("broker_lost_events", "critical", "", text, advice)
        if self.serving is not None and serving is not None:
            name = self.serving.service
            text = f"{name} cannot serve requests: {serving}"
            yield Problem(
                "requests_unavailable", "critical", name, text, "Check the broker. The connection is retried."
            )

    async def losses(self) -> Sequence[Problem]:
        """Return the losses of sources that no operator has accepted."""
        consumers = [each.feed.consumer for each in self.inbound]
        return [_lost(name) for name in consumers if await open_loss(self._store, name) is not None]

    async def close(self) -> None:
        """Close the connection to the broker."""
        if self._broker is not None:
            await self._broker.transport.close()


def _lost(consumer: str) -> Problem:
    text = f"{consumer} has recorded events that the event log of their application has lost"
    advice = (
        f"app.operations.lost_events({consumer!r}) lists these events. Compensate for them where needed. Then call "
        f"app.operations.accept_loss({consumer!r})."
    )
    return Problem("source_lost_events", "warning", consumer, text, advice)


def _of_inbound(inbound: Inbound) -> Iterator[Problem]:
    """Yield the problems of one consumer of events."""
    name, error = inbound.feed.consumer, inbound.failure
    if error is not None and inbound.pausing.pause is None:
        text = f"{name} cannot receive: {error}"
        yield Problem("receiver_failed", "critical", name, text, "Check the broker. The connection is retried.")
