"""A consumer that an operator pauses and resumes."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from tests.domains.shops import GetParcel, Sold, shipping
from tests.transport.wire import sold
from twofold import Application
from twofold.errors import WiringError
from twofold.ports import Transport, WriteStore
from twofold.testing.conformance._tools.hooked import Call, Hooked
from twofold.testing.conformance._tools.in_time import CEILING, in_time, until
from twofold.testing.conformance._tools.watched import AFTER_COMMIT, watched
from twofold_memory import InMemory, InMemoryTransport

WHY = "the depot is counted"


async def numbers(app: Application) -> tuple[int, ...]:
    """Return the sales that the depot has received."""
    parcel = await app.execute(GetParcel(order_id="a"))
    return parcel.numbers if parcel else ()


async def pause(app: Application) -> None:
    """Pause the consumer, and wait until no process receives."""
    with in_time():
        await app.operations.pause("depot.shop", reason=WHY, timeout=CEILING)


async def test_a_paused_consumer_records_nothing(there: WriteStore, broker: Transport) -> None:
    """Messages stay at the broker, also after a restart. After `resume` each is recorded once."""
    rounds = 0

    async def count(paused: Call) -> Any:
        nonlocal rounds
        rounds += 1
        return await paused()

    async with shipping(there, broker) as depot:
        await broker.publisher.publish([sold(1)])
        await depot.settle()
        await pause(depot)
        await pause(depot)
        await broker.publisher.publish([sold(2)])
    counted: Any = Hooked(there, "subscriptions.paused", count)
    async with shipping(counted, broker) as depot:
        began = rounds
        await until(lambda: rounds > began + 4)  # a process that receives would have recorded the message
        health = await depot.health()
        assert health.problems == ()
        assert [(each.code, each.subject, WHY in each.text) for each in health.notes] == [
            ("paused", "depot.shop", True)
        ]
        assert await numbers(depot) == (1,)
        assert [await depot.operations.resume("depot.shop") for _ in range(2)] == [True, False]
        await depot.settle()
        assert await numbers(depot) == (1, 2)
        assert (await depot.health()).notes == ()


async def test_another_process_pauses_a_consumer(there: WriteStore, broker: Transport) -> None:
    """The call returns when the process that receives has stopped, and a new process does not begin."""
    async with shipping(there, broker) as depot, shipping(there, broker, work=False) as front:
        await broker.publisher.publish([sold(1)])
        await depot.settle()
        await pause(front)
        await broker.publisher.publish([sold(2)])
        assert await numbers(front) == (1,)
        assert await front.operations.resume("depot.shop")
        await depot.settle()
        assert await numbers(front) == (1, 2)


async def test_a_pause_waits_for_the_current_messages(there: WriteStore, broker: Transport) -> None:
    """Messages that are being recorded when the consumer is paused are recorded, and the call waits for that."""
    reached, go = anyio.Event(), anyio.Event()

    async def hold(point: str, about: str) -> None:
        if point == AFTER_COMMIT and about.startswith("depot.shop."):
            reached.set()
            await go.wait()

    async with shipping(watched(there, hold), broker) as depot:
        await broker.publisher.publish([sold(1)])
        with in_time():
            await reached.wait()
        with pytest.raises(TimeoutError, match=r"is stored, but a process was still receiving"):
            await depot.operations.pause("depot.shop", timeout=0)
        go.set()
        await pause(depot)
        await broker.publisher.publish([sold(2)])
        await until(lambda: _is(depot, (1,)))
        await depot.operations.resume("depot.shop")
        await depot.settle()
        assert await numbers(depot) == (1, 2)


async def _is(app: Application, wanted: tuple[int, ...]) -> bool:
    return await numbers(app) == wanted


async def test_a_subscription_cannot_have_the_name_of_a_consumer() -> None:
    """A pause could not tell one from the other."""
    app = Application("depot", write=InMemory(), transport=InMemoryTransport())
    app.consume(Sold, source="shop")

    @app.event_handler(Sold, name="depot.shop")
    async def note(event: Sold) -> None: ...

    with pytest.raises(WiringError, match="as is the consumer at"):
        app.check()
