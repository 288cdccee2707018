"""Something that receives from a broker, and whether it can."""

from __future__ import annotations

from typing import Protocol


class Receiver(Protocol):
    """Receives until its block ends. It reconnects after every loss of the broker."""

    @property
    def problem(self) -> str | None:
        """Why it does not receive at present, for people; None while it receives.

        A broker that does not answer is noticed within a few of the adapter's timeouts.
        """
        ...
