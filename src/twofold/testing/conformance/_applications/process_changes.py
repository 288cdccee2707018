"""Processes whose class has changed since their state was stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from twofold import Application, Flow, Process, on, starts

from .._domain.fulfilment import NAME, Handlers, Order, Ordered, Pay, Reject, Rejected, fulfilling, shop
from .._tools.in_time import CEILING, WHOLE_TEST, in_time
from .._tools.opened import NewStore

T = TypeVar("T")


class Old(Process, name=NAME, key="order_id"):
    """The first release of the process."""

    order_id: str
    number: str = ""

    @starts(Ordered)
    def placed(self, event: Ordered, flow: Flow) -> None:
        self.number = "7" if event.order_id == "good" else "seven"

    @on(Rejected)
    def rejected(self, event: Rejected, flow: Flow) -> None:
        flow.complete()


def changed(version: int) -> type[Process]:
    """Return a later release, in which a field has another type."""

    class New(Process, name=NAME, key="order_id", version=version):
        order_id: str
        number: int = 0

        @starts(Ordered)
        def placed(self, event: Ordered, flow: Flow) -> None:
            self.number = 8

        @on(Rejected)
        def rejected(self, event: Rejected, flow: Flow) -> None:
            self.number += 1

    return New


def only(found: Sequence[T]) -> T:
    """Return the one element that was expected."""
    assert len(found) == 1, found
    return found[0]


async def settled(app: Application) -> None:
    """Wait until every input was handled."""
    await app.settle(timeout=CEILING)


class ProcessChanges:
    """The cases of `ProcessSuite` about changes of the class."""

    async def test_a_changed_class_affects_only_processes_that_do_not_fit(self, new_store: NewStore) -> None:
        """A stored process that the class refuses parks its key, with a clear error. Others continue, also ended ones."""
        async with new_store([]) as store:
            with in_time(WHOLE_TEST):
                async with shop(store, fulfilling(Handlers(), Old)) as app:
                    for order_id in ("good", "bad", "ended"):
                        await app.dispatch(Order(order_id=order_id))
                    await app.dispatch(Reject(order_id="ended"))
                    await settled(app)
                async with shop(store, fulfilling(Handlers(), changed(1))) as app:
                    for order_id in ("good", "bad"):
                        await app.dispatch(Reject(order_id=order_id))
                    await app.dispatch(Order(order_id="ended"))
                    await app.dispatch(Pay(order_id="ended"))
                    await settled(app)
                    parked = only(await app.operations.parked(NAME))
                    assert parked.key == "bad"
                    assert "cannot read the process test.fulfilment 'bad' version 1" in parked.reason
                    found = {each.key: each.fields["number"] for each in await app.operations.processes()}
            assert found == {"good": 8, "bad": "seven", "ended": 8}

    async def test_an_upcaster_converts_a_stored_process(self, new_store: NewStore) -> None:
        """A process of an earlier version is converted. A process of a later version parks its key."""
        router = fulfilling(Handlers(), changed(2))

        @router.upcaster(NAME, from_version=1)
        def number(fields: Mapping[str, Any]) -> Mapping[str, Any]:
            return {**fields, "number": 7}

        async with new_store([]) as store:
            with in_time(WHOLE_TEST):
                async with shop(store, fulfilling(Handlers(), Old)) as app:
                    await app.dispatch(Order(order_id="bad"))
                    await settled(app)
                async with shop(store, router) as app:
                    await app.dispatch(Reject(order_id="bad"))
                    await settled(app)
                    assert (await app.operations.process(NAME, "bad")).fields["number"] == 8
                async with shop(store, fulfilling(Handlers(), changed(1))) as app:
                    await app.dispatch(Reject(order_id="bad"))
                    await settled(app)
                    parked = only(await app.operations.parked(NAME))
                    assert "this application has version 1" in parked.reason
