"""The writes that a session has seen: its own, and those that a consistency token names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from anyio import current_time

from ..errors import ForeignLog, ReadNotReady
from ..ports.event_log import StoredEvent
from .token import KEPT, Written, decode_tokens, encode_tokens, latest, merged

if TYPE_CHECKING:
    from .arrivals import Arrivals


class Seen:
    """Positions in the log of this application, and in the logs of applications whose events arrive here.

    Args:
        log: the identity of this application's log.
        arrivals: which events of other logs have arrived here; None when this application receives none.
    """

    _by_handlers: tuple[Written, ...] = ()
    """Writes of other applications for handlers of the session, until one of its queries waits for them."""

    def __init__(self, log: str, arrivals: Arrivals | None) -> None:
        self.here: Written | None = None
        """The writes to this log; None when there are none."""
        self._elsewhere: tuple[Written, ...] = ()
        """The writes to other logs that are not known to have arrived here."""
        self._log = log
        self._arrivals = arrivals

    @property
    def elsewhere(self) -> bool:
        """Whether a query must see writes to other logs."""
        return bool(self._elsewhere or self._by_handlers)

    @property
    def token(self) -> str:
        """All writes as a text for a header; empty when there are none."""
        return encode_tokens(merged([*((self.here,) if self.here else ()), *self._elsewhere, *self._by_handlers]))

    def add(self, events: Sequence[StoredEvent]) -> None:
        """Remember events that were committed here."""
        positions = tuple([event.position for event in events])
        before = self.here
        if before is None:
            self.here = Written(self._log, positions[-1], positions[-KEPT:])
        else:
            last = max(before.position, positions[-1])
            self.here = Written(self._log, last, (*before.events, *positions)[-KEPT:], before.origins)

    def token_of(self, events: Sequence[StoredEvent]) -> str:
        """Return the token of a session that wrote these events and no others; empty when there are none."""
        positions = tuple(event.position for event in events)
        return encode_tokens([Written(self._log, positions[-1], positions)]) if positions else ""

    def resume(self, token: str) -> None:
        """Remember the writes that a token names, as if this session had made them.

        Raises:
            InvalidToken: the token is malformed.
            ForeignLog: the token belongs to neither this log nor one whose events arrive here.
        """
        here, elsewhere = self._read(token)
        self.here = latest(self.here, here)
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
            self.here = latest(self.here, each)
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
        return here, tuple(elsewhere)
