"""Processes whose parked commands an operator discards."""

from __future__ import annotations

from twofold import Flow, Process, starts

from .._domain.fulfilment import (
    NAME,
    Charge,
    Handlers,
    Order,
    Ordered,
    Refund,
    Release,
    Reserve,
    Undeclared,
    effects,
    fulfilling,
    shop,
)
from .._tools.in_time import CEILING, WHOLE_TEST, in_time
from .._tools.opened import NewStore


def both_at_once() -> type[Process]:
    """Return a process that sends two commands when it starts."""

    class Both(Process, name=NAME, key="order_id"):
        order_id: str

        @starts(Ordered)
        def placed(self, event: Ordered, flow: Flow) -> None:
            flow.send(Reserve(order_id=self.order_id), compensate=Release(order_id=self.order_id))
            flow.send(Charge(order_id=self.order_id), compensate=Refund(order_id=self.order_id))

    return Both


class ProcessDiscards:
    """The cases of `ProcessSuite` about discarded commands."""

    async def test_a_discarded_command_compensates(self, new_store: NewStore) -> None:
        """A process whose parked command is discarded compensates its completed steps, and does not execute the command."""
        handlers = Handlers(failing={("charge", "a"): Undeclared})
        async with new_store([]) as store:
            with in_time(WHOLE_TEST):
                async with shop(store, fulfilling(handlers)) as app:
                    await app.dispatch(Order(order_id="a"))
                    await app.settle(timeout=CEILING)
                    assert (await app.operations.process(NAME, "a")).state == "running"
                    (gone,) = await app.operations.discard(NAME, "a")
                    await app.settle(timeout=CEILING)
                    assert await app.operations.parked(NAME) == []
                    process = await app.operations.process(NAME, "a")
                    assert (process.state, process.reason) == ("failed", f"a command was discarded: {gone.reason}")
                    assert "Undeclared" in process.reason
                    await app.dispatch(Order(order_id="a"))
            assert await effects(store, "a") == ["reserve", "release"]

    async def test_one_of_two_commands_is_discarded(self, new_store: NewStore) -> None:
        """A command that is parked behind a discarded one keeps its place: it is executed by a retry, and then undone."""
        handlers = Handlers(failing={("reserve", "a"): Undeclared})
        async with new_store([]) as store:
            with in_time(WHOLE_TEST):
                async with shop(store, fulfilling(handlers, both_at_once())) as app:
                    await app.dispatch(Order(order_id="a"))
                    await app.settle(timeout=CEILING)
                    first, _ = await app.operations.parked(NAME)
                    await app.operations.discard(NAME, "a", event_id=first.event.id)
                    assert await app.operations.retry(NAME, "a") == []
                    await app.settle(timeout=CEILING)
                    assert (await app.operations.process(NAME, "a")).state == "failed"
            assert await effects(store, "a") == ["charge", "refund"]
