"""The writes that a session has seen: its own, and those that a consistency token names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from anyio import current_time

from .._definitions.position import START, Position
from ..errors import ForeignLog, ReadNotReady
from ..ports.event_log import StoredEvent
from .known import KnownEvents, Point
from .token import (
    KEPT,
    KEPT_TYPES,
    Written,
    decode_tokens,
    encode_tokens,
    ids_of_types,
    last_of_types,
    latest,
    merged,
    type_key,
    types_of_both,
)

if TYPE_CHECKING:
    from .arrivals import Arrivals


_START_AGAIN = "Start a session without the token. Repeat the lost commands if their changes are still needed."


class Seen:
    """Positions in the log of this application, and in the logs of applications whose events arrive here.

    Args:
        log: the identity of this application's log.
        arrivals: which events of other logs have arrived here; None when this application receives none.
        known: verifies that events are in the log.
    """

    _by_handlers: tuple[Written, ...] = ()
    """Writes of other applications for handlers of the session, until one of its queries waits for them."""

    _run = ""
    """The run of the log's server in which the session wrote last."""

    def __init__(self, log: str, arrivals: Arrivals | None, known: KnownEvents) -> None:
        self._here: Written | None = None
        self._committed: list[tuple[Sequence[StoredEvent], str]] = []
        """The events that were committed since the last merge, with the runs of the log's server."""
        self._elsewhere: tuple[Written, ...] = ()
        """The writes to other logs that are not known to have arrived here."""
        self._log = log
        self._arrivals = arrivals
        self._known = known
        self._points: tuple[Point, ...] = ()
        """The last events of this log that the session has seen: of its own writes, and of each token."""

    @property
    def elsewhere(self) -> bool:
        """Whether a query must see writes to other logs."""
        return bool(self._elsewhere or self._by_handlers)

    @property
    def token(self) -> str:
        """All writes as a text for a header; empty when there are none."""
        here = self.here
        return encode_tokens(merged([*((here,) if here else ()), *self._elsewhere, *self._by_handlers]))

    def add(self, events: Sequence[StoredEvent], run: str) -> None:
        """Remember events that were committed here.

        Args:
            events: the events.
            run: the run of the log's server, as it was known before the transaction began.
        """
        self._committed.append((events, run))
        if len(self._committed) >= KEPT:
            self._merge()

    def _merge(self) -> None:
        """Add the committed events to the writes. Commands do not wait for this, and most sessions never need it."""
        for events, run in self._committed:
            written = _written(self._log, events)
            point = Point(written.position, written.event)
            self._known.note(point, run)
            self._points = (*(self._points[:-1] if run == self._run else self._points), point)
            self._run = run
            before = self._here
            if before is None:
                self._here = written
            else:
                last, event = max(Point(before.position, before.event), point, key=_position)
                types, untyped, ids = types_of_both(before, written)
                positions = (*before.events, *written.events)[-KEPT:]
                self._here = Written(self._log, last, positions, before.origins, event, types, untyped, ids)
        self._committed.clear()

    @property
    def here(self) -> Written | None:
        """The writes to this log; None when there are none."""
        if self._committed:
            self._merge()
        return self._here

    def token_of(self, events: Sequence[StoredEvent]) -> str:
        """Return the token of a session that wrote these events and no others; empty when there are none."""
        return encode_tokens([_written(self._log, events)]) if events else ""

    async def verify(self, written: Written) -> None:
        """Verify that the log still has the last event of everything that the session has seen.

        A log that has the event has every earlier event too, so that only the last one counts from then on.

        Args:
            written: what a query must see.

        Raises:
            EventsLost: the log has lost one of the events.
        """
        self._merge()
        points = {*self._points, Point(written.position, written.event)}
        lost = await self._known.missing(points)
        if lost is not None:
            raise await self._known.lost("a consistency token", lost, _START_AGAIN)
        self._points = (max(points, key=_position),)

    def resume(self, token: str) -> None:
        """Remember the writes that a token names, as if this session had made them.

        Raises:
            InvalidToken: the token is malformed.
            ForeignLog: the token belongs to neither this log nor one whose events arrive here.
        """
        here, elsewhere = self._read(token)
        self._merge()
        if here is not None:
            self._points, self._run = (*self._points, Point(here.position, here.event)), ""
        self._here = latest(self._here, here)
        self._elsewhere = merged([*self._elsewhere, *elsewhere])

    def add_elsewhere(self, application: str, written: Sequence[Written]) -> None:
        """Remember the writes of another application for a handler of this session, if its events arrive here.

        Queries wait for these writes once the handler has ended, as they do for the writes of the handler itself.
        """
        arrives = self._arrivals is not None and application in self._arrivals.sources
        known = [each for each in written if arrives or each.log == self._log]
        self._by_handlers = merged([*self._by_handlers, *known])

    async def needed(
        self, after: str | None, seconds: float, *, must: bool, handling: bool
    ) -> tuple[Written | None, bool]:
        """Return the writes to this log that a query must see, and whether those are all of them.

        Writes to other logs are waited for. Once they have arrived here, they are positions in this log.

        Args:
            after: a further token, whose writes the query must see as well.
            seconds: the timeout, in seconds; 0 does not wait.
            must: raise when a write has not arrived by then.
            handling: the query is executed inside a handler.

        Raises:
            ReadNotReady: a write has not arrived by then, and `must` is set.
            ForeignLog, InvalidToken: see `resume`.
        """
        deadline = current_time() + seconds
        if self._by_handlers and not handling:
            by_handlers, self._by_handlers = self._by_handlers, ()
            self.resume(encode_tokens(by_handlers))
        self._elsewhere, missing = await self._arrived(self._elsewhere, seconds)
        needed, besides = self._read(after) if after else (None, ())
        if besides and self._arrivals is not None:
            arrived, left = await self._arrivals.wait(besides, self._log, max(0.0, deadline - current_time()))
            missing = missing or bool(left)
            for each in arrived:
                needed = latest(needed, each)
        if missing and must and self._arrivals is not None:
            raise ReadNotReady(self._arrivals.name, lag=None, sources=self._arrivals.sources)
        return latest(self.here, needed), not missing

    async def _arrived(self, elsewhere: tuple[Written, ...], seconds: float) -> tuple[tuple[Written, ...], bool]:
        """Turn the writes that have arrived into positions here; return the others, and whether there are any."""
        if not elsewhere or self._arrivals is None:
            return elsewhere, False
        arrived, left = await self._arrivals.wait(elsewhere, self._log, seconds)
        for each in arrived:
            self._here = latest(self.here, each)
        return tuple(left), bool(left)

    def _read(self, token: str) -> tuple[Written | None, tuple[Written, ...]]:
        here: Written | None = None
        elsewhere: list[Written] = []
        for written in decode_tokens(token):
            if written.log == self._log:
                here = latest(here, written)
            elif self._arrivals is not None:
                elsewhere.append(written)
            else:
                raise ForeignLog(
                    f"cannot resume this session: its token belongs to log {written.log}, this application writes to "
                    f"{self._log}. A restored backup or another database counts as another log; start a session without "
                    "it, or consume() the events of the application that it comes from."
                )
        return here, merged(elsewhere)


def _written(log: str, events: Sequence[StoredEvent]) -> Written:
    """Return the writes of one transaction."""
    positions, last = tuple([event.position for event in events]), events[-1]
    types, untyped = last_of_types([(type_key(event.name), event.position) for event in events], START, kept=KEPT_TYPES)
    ids = ids_of_types(types, {event.position: event.id for event in events})
    return Written(log, last.position, positions[-KEPT:], (), last.id, types, untyped, ids)


def _position(point: Point) -> Position:
    return point.position
