"""The domain of the suite about durable steps: an event handler that charges a card, which may fail afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel

from twofold import Application, Command, Event, Retry, Router, UnitOfWork
from twofold.ports import StepRecord, WriteStore

from .._tools.beside import stores_of
from .._tools.in_time import WHOLE_TEST, in_time

QUICKLY = Retry(attempts=4, delay=0.001)


class Placed(Event, name="stepping.placed"):
    order_id: str


class Charged(Event, name="stepping.charged"):
    order_id: str
    receipt: str


class Place(Command[None]):
    order_id: str = "a"


class Receipt(BaseModel):
    """The result of an outside call."""

    number: int
    total: Decimal


class Declined(Exception):
    """A final error of an outside call.

    Attributes:
        code: the reason.
    """

    def __init__(self, text: str, code: int) -> None:
        self.code = code
        super().__init__(text)


class Broken(Exception):
    """A handler, or an outside call, failed for the moment."""


class Provider:
    """The other side of outside calls.

    Attributes:
        keys: the idempotency keys of the calls, in order.
    """

    def __init__(self) -> None:
        self.keys: list[str] = []

    async def charge(self, key: str) -> Receipt:
        """Note the call, and return a receipt with its number."""
        self.keys.append(key)
        return Receipt(number=len(self.keys), total=Decimal("1.50"))


def stepping(handler: Callable[..., Awaitable[None]], retry: Retry = QUICKLY, name: str = "payments") -> Router:
    """Return a router with a command that records an event, and this event handler."""
    router = Router(f"stepping {name}")

    @router.command_handler(Place)
    async def place(command: Place, unit: UnitOfWork) -> None:
        unit.record(Placed(order_id=command.order_id), stream=f"order-{command.order_id}")

    registration: Any = router.event_handler(Placed, name=name, start="beginning", retry=retry)
    registration(handler)
    return router


@asynccontextmanager
async def running_steps(store: WriteStore, *routers: Router) -> AsyncIterator[Application]:
    """Run an application with some routers; fail instead of hanging."""
    app = Application("stepping", **stores_of(store))
    for router in routers:
        app.include(router)
    with in_time(WHOLE_TEST):
        async with app:
            yield app


class Left(NamedTuple):
    """The stored data about an event: its steps, and the reason why it is parked."""

    steps: list[StepRecord]
    reason: str


async def left(app: Application, subscription: str = "payments") -> Left:
    """Return the stored data about the first event."""
    parked = await app.operations.parked(subscription)
    found = await app.operations.steps(subscription, event_id=await placed_id(app))
    return Left(list(found), parked[0].reason if parked else "")


async def placed_id(app: Application, order_id: str = "a") -> UUID:
    """Return the id of the event of an order."""
    first, *_ = [event async for event in app.write.log.read(f"order-{order_id}")]
    return first.id
