"""Parked events that are lost, not removed, or found wrongly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from tests.mutants.combinators import Wrap, both, changing, changing_result, for_each, ignoring, instead
from tests.mutants.places import at
from twofold.ports import ParkedEvent, ReadStore
from twofold.testing.conformance._tools.proxy import Proxy


def parking(broken: Wrap) -> Wrap:
    """Break how events are parked."""
    return at("transaction.parked", broken)


def adding(change: Callable[[ParkedEvent], ParkedEvent]) -> Wrap:
    """Park other events than those that are given."""
    return parking(changing("add", events=lambda events: [change(each) for each in events]))


def finding(change: Callable[[ParkedEvent], ParkedEvent]) -> Wrap:
    """Change each parked event that is found."""
    return at("parked", changing_result("read", to=lambda found: [change(each) for each in found]))


class NotesParked(Proxy):
    """Records the parked events, committed or not."""

    def __init__(self, inner: Any, noted: list[tuple[str, ParkedEvent]]) -> None:
        super().__init__(inner)
        self._noted = noted

    async def add(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        self._noted += [(subscription, event) for event in events]
        await self.inner.add(subscription, events)


def answering(
    answer: Callable[[list[ParkedEvent], list[tuple[str, ParkedEvent]]], list[ParkedEvent]],
) -> Wrap:
    """Return other parked events.

    Args:
        answer: returns the events, given the right ones, and all events that were ever parked with their subscription,
            in order.
    """

    def make(_: Any) -> Wrap:
        noted: list[tuple[str, ParkedEvent]] = []

        async def read(parked: Any, subscription: str, *, key: str | None = None, **page: Any) -> Sequence[ParkedEvent]:
            found = list(await parked.read(subscription, key=key, **page))
            return answer(found, [(name, event) for name, event in noted if key is None or event.key == key])

        return both(parking(partial(NotesParked, noted=noted)), at("parked", instead(read=read)))

    return for_each(make)


async def _look_for(store: ReadStore, _: Any, subscription: str, key: str, *, at: datetime) -> bool:
    return bool(await store.parked.read(subscription, key=key))


async def _remove_all(store: ReadStore, parked: Any, subscription: str, positions: Sequence[Any]) -> int:
    await parked.remove(subscription, [each.event.position for each in await store.parked.read(subscription)])
    return len(positions)


async def _count(_: Any, subscription: str, positions: Sequence[Any]) -> int:
    return len(positions)


knowing_no_keys = at("parked", ignoring("keys", returning={}))
counting_keys_once = at("parked", changing_result("keys", to=lambda found: dict.fromkeys(found, 1)))
retrying_nothing = at("parked", ignoring("retries", returning={}))
in_reverse = answering(lambda found, _: found[::-1])
keeping_parked = parking(instead(remove=_count))
removing_all = for_each(lambda store: parking(instead(remove=partial(_remove_all, store))))
losing_reasons = parking(ignoring("update"))
adopting_nothing = parking(ignoring("adopt"))
noting_no_retry = for_each(lambda store: parking(instead(retry=partial(_look_for, store))))
