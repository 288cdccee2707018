"""The order: what may happen to it, and what may not."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum

from orders.messages import CreateOrder, OrderCancelled, OrderCreated, OrderLine, OrderPaid, OrderShipped
from twofold import Aggregate, Event, on


class Status(Enum):
    PENDING = "pending"
    PAID = "paid"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"


class OrderError(Exception):
    """A rule of the order domain was broken."""


class InvalidOrder(OrderError):
    """An order needs at least one line, and each line a quantity and a price above zero."""


class ForbiddenTransition(OrderError):
    """The order is in a state from which this cannot happen."""


_ALLOWED = {Status.PENDING: {Status.PAID, Status.CANCELLED}, Status.PAID: {Status.SHIPPED, Status.CANCELLED}}


class Order(Aggregate, name="order"):
    id: str
    user_id: int
    user_name: str
    placed_at: datetime
    lines: tuple[OrderLine, ...]
    status: Status

    @classmethod
    def create(cls, wish: CreateOrder) -> Order:
        if not wish.lines:
            raise InvalidOrder(f"order {wish.order_id} has no lines. Add at least one.")
        for line in wish.lines:
            if line.quantity <= 0 or line.unit_price <= 0:
                found = f"{line.quantity} of {line.product_id} at {line.unit_price}"
                raise InvalidOrder(f"order {wish.order_id} has {found}. Quantities and prices are above 0.")
        return cls.begin(OrderCreated(**dict(wish), total=sum((line.amount for line in wish.lines), Decimal())))

    @property
    def total(self) -> Decimal:
        return sum((line.amount for line in self.lines), Decimal())

    def pay(self) -> None:
        self._become(Status.PAID, OrderPaid(order_id=self.id))

    def ship(self) -> None:
        self._become(Status.SHIPPED, OrderShipped(order_id=self.id))

    def cancel(self) -> None:
        self._become(Status.CANCELLED, OrderCancelled(order_id=self.id, placed_at=self.placed_at, total=self.total))

    def _become(self, status: Status, event: Event) -> None:
        if status not in _ALLOWED.get(self.status, ()):
            raise ForbiddenTransition(f"order {self.id} is {self.status.value}; it cannot become {status.value}.")
        self.record(event)

    @on(OrderCreated)
    def _created(self, event: OrderCreated) -> None:
        self.id = event.order_id
        self.user_id = event.user_id
        self.user_name = event.user_name
        self.placed_at = event.placed_at
        self.lines = event.lines
        self.status = Status.PENDING

    @on(OrderPaid)
    def _paid(self, event: OrderPaid) -> None:
        self.status = Status.PAID

    @on(OrderShipped)
    def _shipped(self, event: OrderShipped) -> None:
        self.status = Status.SHIPPED

    @on(OrderCancelled)
    def _cancelled(self, event: OrderCancelled) -> None:
        self.status = Status.CANCELLED
