"""What a consumer has from the broker: what waits to be received, and what is not settled."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from twofold.ports import Delivery


class Receipt(NamedTuple):
    """How a delivery is named towards the broker.

    Attributes:
        generation: which of the consumer's channels it came over.
        tag: its number there.
    """

    generation: int
    tag: int


class Window:
    """The deliveries of one channel, in the order in which they came.

    What is refused is not given back to the broker: a queue would put it behind what follows of its key. It waits here
    again, at the place that it had. As one consumer has a part at a time, it would come here anyway; when this one ends, the
    broker delivers all that is not settled to the next, in order.
    """

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self._waiting: list[int] = []
        self._unsettled: dict[int, Delivery] = {}
        self._refused: Counter[int] = Counter()

    def __len__(self) -> int:
        """Return how many are not settled."""
        return len(self._unsettled)

    @property
    def waits(self) -> bool:
        """Whether something waits to be received."""
        return bool(self._waiting)

    def arrived(self, tag: int, delivery: Delivery) -> None:
        """Take a delivery."""
        self._unsettled[tag] = delivery
        self._waiting.append(tag)

    def take(self, limit: int) -> Sequence[Delivery]:
        """Hand out what waits, at most so many."""
        tags, self._waiting = self._waiting[:limit], self._waiting[limit:]
        found = [(self._unsettled[tag], self._refused[tag]) for tag in tags]
        return [each._replace(attempt=each.attempt + refused) for each, refused in found]

    def refuse(self, tags: Iterable[int]) -> None:
        """Let deliveries wait again, at their places."""
        for tag in tags:
            if tag in self._unsettled and not self._is_waiting(tag):
                self._refused[tag] += 1
                insort(self._waiting, tag)

    def settle(self, tags: Iterable[int]) -> tuple[int | None, Sequence[int]]:
        """Forget deliveries that are dealt with.

        Returns:
            The tag up to which all are settled, if it has moved, and those beyond it one by one.
        """
        settled = self._unsettled.keys() & set(tags)
        upto: int | None = None
        for tag in list(self._unsettled):
            if tag not in settled:
                break
            upto = tag
            settled.remove(tag)
            self._forget(tag)
        for tag in settled:
            self._forget(tag)
        return upto, sorted(settled)

    def _forget(self, tag: int) -> None:
        del self._unsettled[tag]
        if self._refused.pop(tag, 0) and self._is_waiting(tag):
            del self._waiting[bisect_left(self._waiting, tag)]

    def _is_waiting(self, tag: int) -> bool:
        at = bisect_left(self._waiting, tag)
        return at < len(self._waiting) and self._waiting[at] == tag
