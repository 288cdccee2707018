"""The deliveries of a channel that are not settled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from twofold.ports import Delivery


class Receipt(NamedTuple):
    """Identifies a delivery at the broker."""

    generation: int
    tag: int


class Window:
    """The unsettled deliveries of one channel, in the order of their tags.

    Args:
        generation: the channel, as in `Receipt`.
    """

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self._ready: list[Delivery] = []
        self._unsettled: dict[int, None] = {}

    def __len__(self) -> int:
        """Return the number of unsettled deliveries."""
        return len(self._unsettled)

    @property
    def ready(self) -> bool:
        """Whether there are deliveries that `take` has not returned."""
        return bool(self._ready)

    def add(self, tag: int, delivery: Delivery) -> None:
        """Add a delivery."""
        self._unsettled[tag] = None
        self._ready.append(delivery)

    def take(self, limit: int) -> Sequence[Delivery]:
        """Return the next deliveries, at most `limit`."""
        taken, self._ready = self._ready[:limit], self._ready[limit:]
        return taken

    def has(self, tag: int) -> bool:
        """Return whether a delivery is not settled."""
        return tag in self._unsettled

    def settle(self, tags: Iterable[int]) -> tuple[int | None, Sequence[int]]:
        """Remove settled deliveries.

        Returns:
            The tag up to which all deliveries are settled, None if it has not moved, and the settled tags beyond it.
        """
        settled = self._unsettled.keys() & set(tags)
        upto: int | None = None
        for tag in list(self._unsettled):
            if tag not in settled:
                break
            upto = tag
            settled.remove(tag)
            del self._unsettled[tag]
        for tag in settled:
            del self._unsettled[tag]
        return upto, sorted(settled)
