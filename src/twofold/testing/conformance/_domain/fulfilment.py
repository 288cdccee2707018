"""A process that fulfils orders, and the commands that it sends. Each effect is an event of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from twofold import (
    Application,
    Command,
    Envelope,
    Event,
    Flow,
    Process,
    Retry,
    Router,
    UnitOfWork,
    on,
    on_error,
    on_reply,
    on_timeout,
    starts,
)
from twofold.ports import Clock, WriteStore

NAME = "test.fulfilment"
UNPAID = timedelta(minutes=30)
TWICE = Retry(attempts=2, delay=0.01, longest=0.01)


class Ordered(Event, name="test.ordered"):
    order_id: str


class Paid(Event, name="test.paid"):
    reference: str


class Rejected(Event, name="test.rejected"):
    order_id: str


class Effect(Event, name="test.effect"):
    """A command took effect."""

    what: str
    order_id: str


class Order(Command[None], name="test.order"):
    order_id: str


class Pay(Command[None], name="test.pay"):
    order_id: str


class Reject(Command[None], name="test.reject"):
    order_id: str


class Reserve(Command[str], name="test.reserve"):
    order_id: str


class Release(Command[None], name="test.release"):
    order_id: str


class Charge(Command[None], name="test.charge"):
    order_id: str


class Refund(Command[None], name="test.refund"):
    order_id: str


class OutOfStock(Exception):
    """The declared error of `Reserve`."""


class Undeclared(Exception):
    """An error that the process does not handle."""


@dataclass
class Handlers:
    """The behaviour of the handlers of the commands, and their idempotency keys.

    Attributes:
        failing: the errors that commands raise, by command and order: ("reserve", "a").
        keys: the idempotency keys with which each command was handled.
    """

    failing: dict[tuple[str, str], type[Exception]] = field(default_factory=dict)
    keys: dict[tuple[str, str], list[str | None]] = field(default_factory=dict)

    def take_effect(self, what: str, envelope: Envelope[Any], unit: UnitOfWork) -> None:
        """Record an effect, and raise the error that is set for it afterwards."""
        order_id = envelope.message.order_id
        self.keys.setdefault((what, order_id), []).append(envelope.idempotency_key)
        unit.record(Effect(what=what, order_id=order_id), stream=f"effects-{order_id}")
        error = self.failing.get((what, order_id))
        if error is not None:
            raise error(what)


def fulfilment(delay: timedelta = UNPAID) -> type[Process]:
    """Return the class of the process.

    Args:
        delay: the delay of the timeout.
    """

    class Fulfilment(Process, name=NAME, key="order_id"):
        order_id: str
        reservation: str = ""

        @starts(Ordered)
        def placed(self, event: Ordered, flow: Flow) -> None:
            flow.send(Reserve(order_id=self.order_id), compensate=Release(order_id=self.order_id))
            flow.timeout("unpaid", after=delay)

        @on_reply(Reserve)
        def reserved(self, reply: str, flow: Flow) -> None:
            self.reservation = reply
            flow.send(Charge(order_id=self.order_id), compensate=Refund(order_id=self.order_id))

        @on_error(Reserve, OutOfStock)
        def out_of_stock(self, error: OutOfStock, flow: Flow) -> None:
            flow.compensate("out of stock")

        @on(Paid, by="reference")
        def was_paid(self, event: Paid, flow: Flow) -> None:
            flow.complete()

        @on(Rejected)
        def rejected(self, event: Rejected, flow: Flow) -> None:
            flow.compensate("rejected")

        @on_timeout("unpaid")
        def unpaid(self, flow: Flow) -> None:
            flow.compensate("unpaid")

    return Fulfilment


def fulfilling(
    handlers: Handlers, process: type[Process] | None = None, *, retry: Retry = TWICE, partitions: int = 1
) -> Router:
    """Return a router with the process and the commands.

    Args:
        handlers: what the handlers do.
        process: the class of the process; by default `fulfilment()`.
        retry: how the process retries.
        partitions: the number of partitions.
    """
    router = Router("fulfilling")
    router.process(retry=retry, partitions=partitions)(process or fulfilment())
    events: dict[type[Command[Any]], Callable[[str], Event]] = {
        Order: lambda order_id: Ordered(order_id=order_id),
        Pay: lambda order_id: Paid(reference=order_id),
        Reject: lambda order_id: Rejected(order_id=order_id),
    }
    for command_type, event in events.items():

        async def record(command: Any, unit: UnitOfWork, event: Callable[[str], Event] = event) -> None:
            unit.record(event(command.order_id), stream=f"order-{command.order_id}")

        router.command_handler(command_type)(record)

    @router.command_handler(Reserve)
    async def reserve(command: Reserve, unit: UnitOfWork, envelope: Envelope[Reserve]) -> str:
        handlers.take_effect("reserve", envelope, unit)
        return f"reservation of {command.order_id}"

    @router.command_handler(Release)
    async def release(command: Release, unit: UnitOfWork, envelope: Envelope[Release]) -> None:
        handlers.take_effect("release", envelope, unit)

    @router.command_handler(Charge)
    async def charge(command: Charge, unit: UnitOfWork, envelope: Envelope[Charge]) -> None:
        handlers.take_effect("charge", envelope, unit)

    @router.command_handler(Refund)
    async def refund(command: Refund, unit: UnitOfWork, envelope: Envelope[Refund]) -> None:
        handlers.take_effect("refund", envelope, unit)

    return router


def shop(store: WriteStore, router: Router, *, clock: Clock | None = None, work: bool = True) -> Application:
    """Return an application with a router, on an initialised store."""
    app = Application("fulfilling", write=store, clock=clock, work=work)
    app.include(router)
    return app


async def effects(store: WriteStore, order_id: str) -> list[str]:
    """Return the commands of an order that took effect, in order."""
    found = [event.data async for event in store.log.read(f"effects-{order_id}")]
    return [Effect.model_validate_json(data).what for data in found]
