"""What receives from a broker, and whether it can."""

from __future__ import annotations

from typing import Protocol


class Receiver(Protocol):
    """Receives until its block is left. From whatever cuts it off from the broker it comes back by itself."""

    @property
    def trouble(self) -> str | None:
        """What keeps it from receiving at the moment, in words; None while it receives.

        A broker that says nothing is noticed within a few of the adapter's time-outs.
        """
        ...
