"""What an application has to do with other ones while it runs: its relay, what it receives, what it serves."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

from ._assembly import Assembly
from ._envelope import Origin
from ._inbound import Arrivals, Inbound
from ._relay import Marks
from ._serving import Serving
from ._session import Session
from ._subscription import Subscription
from .ports.subscription_store import Checkpoint

if TYPE_CHECKING:
    from ._application import Application

Report = Callable[[str, Checkpoint | None], None]
"""Told of the checkpoints of a subscription; None when other processes run some of it."""


class Outside:
    """The parts of a running application that talk to a broker; none of them when it has no broker.

    Args:
        app: the application.
        assembly: its checked wiring.
        appended: called after events of other applications were recorded.
        open_session: opens a session for a request.
    """

    def __init__(
        self,
        app: Application,
        assembly: Assembly,
        appended: Callable[[], None],
        open_session: Callable[[Origin, str | None], Session],
    ) -> None:
        self.inbound: tuple[Inbound, ...] = ()
        self.serving: Serving | None = None
        self.arrivals: Arrivals | None = None
        """What sessions wait for that come from other applications."""
        self._transport = app.transport
        self._feeds = assembly.feeds
        self._marks: Marks | None = None
        if app.requests is not None:
            for entry in app._served:
                self.serving = Serving(
                    app.requests, app.name, entry.messages, open_session, partitions=entry.partitions
                )
        if app.transport is None:
            return
        if self._feeds:
            self.arrivals = Arrivals(app.write, [(feed, app.transport.parts(feed)) for feed in self._feeds])
        self.inbound = tuple(Inbound(feed, app.transport, app.write, app.clock, appended) for feed in self._feeds)
        if app._relays:
            self._marks = Marks(app.transport, app.name, app.clock, app.ids)

    async def open(self) -> None:
        """Connect to the broker, and have it keep from now on what is to be received."""
        if self._transport is not None:
            await self._transport.open()
            for feed in self._feeds:
                await self._transport.declare(feed)

    def jobs(self) -> Iterator[Callable[[], Coroutine[Any, Any, None]]]:
        """Yield what has to run in a process that works."""
        for each in (*self.inbound, self.serving, self._marks):
            if each is not None:
                yield each.run

    async def begun(self) -> None:
        """Return when others can reach what is served here, or when that has failed for now."""
        if self.serving is not None:
            await self.serving.tried.wait()

    def report_of(self, subscription: Subscription, report: Report) -> Report:
        """Return what a subscription reports its checkpoints to; those of the relay are published as well."""
        marks = self._marks
        if subscription.kind != "relay" or marks is None:
            return report

        def report_both(name: str, checkpoint: Checkpoint | None) -> None:
            report(name, checkpoint)
            marks.report(checkpoint)

        return report_both

    async def waiting(self) -> int:
        """Return how many messages the broker has for this application."""
        transport = self._transport
        return 0 if transport is None else sum([await transport.waiting(feed) for feed in self._feeds])

    def problems(self) -> Iterator[str]:
        """Yield what is wrong, each in a sentence."""
        for each in self.inbound:
            if each.error is not None:
                yield f"{each.feed.consumer} cannot receive: {type(each.error).__name__}: {each.error}"
            elif each.consumer is not None and each.consumer.trouble is not None:
                yield f"{each.feed.consumer} cannot receive: {each.consumer.trouble}"
            if each.parked:
                yield f"{each.feed.consumer} has parked {each.parked} message(s) that are no events: see Transport.parked"
        if self.serving is not None and self.serving.trouble is not None:
            yield f"{self.serving.service} cannot serve requests: {self.serving.trouble}"

    async def close(self) -> None:
        """Leave the broker."""
        if self._transport is not None:
            await self._transport.close()
