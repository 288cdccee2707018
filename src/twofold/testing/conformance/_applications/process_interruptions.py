"""Processes that are interrupted: at each point of a transaction, an input or a compensation is repeated."""

from __future__ import annotations

from twofold import Application, ProcessStatus
from twofold.errors import CommitUnknown

from .._domain.fulfilment import NAME, Handlers, Order, Pay, Reject, effects, fulfilling, shop
from .._tools.in_time import CEILING, WHOLE_TEST, in_time
from .._tools.opened import NewStore
from .._tools.watched import AROUND_A_CHECKPOINT, watched


class Interruptions:
    """Interrupts the transactions of the process at one point, once."""

    def __init__(self) -> None:
        self.left = 0
        self.happened = False

    def at(self, point: int) -> None:
        """Interrupt at a point from now on, counted from 1."""
        self.left, self.happened = point, False

    async def hook(self, point: str, subject: str) -> None:
        """Raise at the chosen point, as a lost connection does."""
        if point not in AROUND_A_CHECKPOINT or subject != NAME or not self.left:
            return
        self.left -= 1
        if not self.left:
            self.happened = True
            raise CommitUnknown("interrupted on purpose")


async def settled(app: Application) -> None:
    """Wait until every input was handled."""
    await app.settle(timeout=CEILING)


async def process_of(app: Application, order_id: str) -> ProcessStatus:
    """Return the process of an order, which must exist."""
    found = {each.key: each for each in await app.operations.processes(limit=1000)}
    assert order_id in found
    return found[order_id]


class ProcessInterruptions:
    """The cases of `ProcessSuite` about interruptions."""

    async def test_an_interruption_at_each_point(self, new_store: NewStore) -> None:
        """A process that is interrupted at any point continues, and each command takes effect once."""
        interruptions, handlers, point = Interruptions(), Handlers(), 0
        async with new_store([]) as store:
            with in_time(WHOLE_TEST):
                async with shop(watched(store, interruptions.hook), fulfilling(handlers)) as app:
                    while interruptions.happened or not point:
                        point += 1
                        interruptions.at(point)
                        for command in (Order, Pay):
                            await app.dispatch(command(order_id=f"o{point}"))
                            await settled(app)
                        found = await process_of(app, f"o{point}")
                        assert (found.state, found.unanswered, found.compensations) == ("completed", 0, ())
                        assert await effects(store, f"o{point}") == ["reserve", "charge"]
        assert point > len(AROUND_A_CHECKPOINT) * 3  # a start, two commands, and the completion
        assert {len(set(keys)) for keys in handlers.keys.values()} == {1}

    async def test_a_compensation_that_is_interrupted_at_each_point(self, new_store: NewStore) -> None:
        """A compensation that is interrupted at any point continues, and undoes each step once, in reverse order."""
        interruptions, handlers, point = Interruptions(), Handlers(), 0
        async with new_store([]) as store:
            with in_time(WHOLE_TEST):
                async with shop(watched(store, interruptions.hook), fulfilling(handlers)) as app:
                    while interruptions.happened or not point:
                        point += 1
                        order_id = f"o{point}"
                        await app.dispatch(Order(order_id=order_id))
                        await settled(app)
                        interruptions.at(point)
                        await app.dispatch(Reject(order_id=order_id))
                        await settled(app)
                        found = await process_of(app, order_id)
                        assert (found.state, found.compensations) == ("failed", ())
                        assert await effects(store, order_id) == ["reserve", "charge", "refund", "release"]
        assert point > len(AROUND_A_CHECKPOINT) * 2  # the decision, and two compensations
        assert {len(set(keys)) for keys in handlers.keys.values()} == {1}
