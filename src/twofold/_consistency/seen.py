"""What a session has to see: what it wrote, and what the tokens say that it was given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from anyio import current_time

from ..errors import ForeignLog, ReadNotReady
from ..ports.event_log import StoredEvent
from .token import KEPT, Written, decode_tokens, encode_tokens, latest, merged

if TYPE_CHECKING:
    from .arrivals import Arrivals


class Writes:
    """Positions in the log of this application, and in those of others whose events it receives.

    Args:
        log: the identity of this application's log.
        arrivals: knows which events of other logs are recorded here; None when there are none.
    """

    _by_handlers: tuple[Written, ...] = ()
    """What other applications wrote for handlers of the session, until one of its queries waits for it."""

    def __init__(self, log: str, arrivals: Arrivals | None) -> None:
        self.here: Written | None = None
        """What was written to this log; None when nothing was."""
        self._elsewhere: tuple[Written, ...] = ()
        """What was written to others, and is not known to have arrived here."""
        self._log = log
        self._arrivals = arrivals

    @property
    def elsewhere(self) -> bool:
        """Whether something that was written to other logs is to be seen."""
        return bool(self._elsewhere or self._by_handlers)

    @property
    def token(self) -> str:
        """All of it as a text for a header; empty when it is nothing."""
        return encode_tokens(merged([*((self.here,) if self.here else ()), *self._elsewhere, *self._by_handlers]))

    def add(self, events: Sequence[StoredEvent]) -> None:
        """Remember that these were written here."""
        positions = tuple(event.position for event in events)
        before = self.here
        if before is None:
            self.here = Written(self._log, positions[-1], positions[-KEPT:])
        else:
            last = max(before.position, positions[-1])
            self.here = Written(self._log, last, (*before.events, *positions)[-KEPT:], before.origins)

    def resume(self, token: str) -> None:
        """Remember what a token says, as if it had been written by this session.

        Raises:
            InvalidToken: it is not one.
            ForeignLog: it belongs to a log that is neither this one nor one that is received here.
        """
        here, elsewhere = self._read(token)
        self.here = latest(self.here, here)
        self._elsewhere = merged([*self._elsewhere, *elsewhere])

    def add_elsewhere(self, application: str, written: Sequence[Written]) -> None:
        """Remember what a handler of this session had written by another application, if that arrives here.

        It is waited for once the handler has ended, as what the handler itself writes is.
        """
        arrives = self._arrivals is not None and application in self._arrivals.sources
        known = [each for each in written if arrives or each.log == self._log]
        self._by_handlers = merged([*self._by_handlers, *known])

    async def needed(
        self, after: str | None, seconds: float, *, must: bool, handling: bool
    ) -> tuple[Written | None, bool]:
        """Return what a query has to see, in this log, and whether that is all of it.

        What was written to another log is waited for until it has arrived here; it is a place in this log then.

        Args:
            after: a token to see besides.
            seconds: how long to wait at most; not at all when it is 0.
            must: whether it is an error that not all has arrived.
            handling: whether a handler asks, in the middle of what it does.

        Raises:
            ReadNotReady: not all has arrived after so many seconds, and it must.
            ForeignLog, InvalidToken: as for `resume`.
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
        """Turn what has arrived into places here; return what has not, and whether there is any."""
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
