"""What a session has to see: what it wrote, and what the tokens say that it was given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ._token import REMEMBERED, Written, decode_tokens, encode_tokens, latest
from .errors import ForeignLog, ReadNotReady
from .ports.event_log import StoredEvent

if TYPE_CHECKING:
    from ._inbound import Arrivals


class Writes:
    """Positions in the log of this application, and in those of others whose events it receives.

    Args:
        log: the identity of this application's log.
        arrivals: knows which events of other logs are recorded here; None when there are none.
    """

    def __init__(self, log: str, arrivals: Arrivals | None) -> None:
        self.here: Written | None = None
        """What was written to this log; None when nothing was."""
        self.elsewhere: tuple[Written, ...] = ()
        """What was written to others, and is not known to have arrived here."""
        self._log = log
        self._arrivals = arrivals

    @property
    def token(self) -> str:
        """All of it as a text for a header; empty when it is nothing."""
        return encode_tokens([*((self.here,) if self.here else ()), *self.elsewhere])

    def add(self, events: Sequence[StoredEvent]) -> None:
        """Remember that these were written here."""
        positions = tuple(event.position for event in events)
        before = self.here.events if self.here else ()
        self.here = Written(self._log, positions[-1], (*before, *positions)[-REMEMBERED * 32 :])

    def resume(self, token: str) -> None:
        """Remember what a token says, as if it had been written by this session.

        Raises:
            InvalidToken: it is not one.
            ForeignLog: it belongs to a log that is neither this one nor one that is received here.
        """
        here, elsewhere = self._read(token)
        self.here = latest(self.here, here)
        self.elsewhere = (*self.elsewhere, *elsewhere)

    async def needed(self, after: str | None, seconds: float, *, must: bool) -> tuple[Written | None, bool]:
        """Return what a query has to see, in this log, and whether that is all of it.

        What was written to another log is waited for until it has arrived here; it is a place in this log then.

        Args:
            after: a token to see besides.
            seconds: how long to wait at most; not at all when it is 0.
            must: whether it is an error that not all has arrived.

        Raises:
            ReadNotReady: not all has arrived after so many seconds, and it must.
            ForeignLog, InvalidToken: as for `resume`.
        """
        self.elsewhere, missing = await self._arrived(self.elsewhere, seconds)
        needed, besides = self._read(after) if after else (None, ())
        if besides and self._arrivals is not None:
            arrived, left = await self._arrivals.wait(besides, self._log, seconds)
            missing = missing or bool(left)
            for each in arrived:
                needed = latest(needed, each)
        if missing and must and self._arrivals is not None:
            raise ReadNotReady(self._arrivals.name, behind=None)
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
