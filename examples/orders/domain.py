"""The order: what may happen to it, and what may not."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum

from orders.messages import OrderCancelled, OrderCreated, OrderLine, OrderPaid, OrderShipped
from twofold import Aggregate, on


class Status(Enum):
    PENDING = "pending"
    PAID = "paid"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"


class OrderError(Exception):
    """A rule of the order domain was broken."""


class EmptyOrder(OrderError):
    """An order needs at least one line."""


class InvalidLine(OrderError):
    """A line needs a quantity and a price above zero."""


class ForbiddenTransition(OrderError):
    """The order is in a state from which this cannot happen."""


_ALLOWED = {
    Status.PENDING: {Status.PAID, Status.CANCELLED},
    Status.PAID: {Status.SHIPPED, Status.CANCELLED},
    Status.SHIPPED: set[Status](),
    Status.CANCELLED: set[Status](),
}


class Order(Aggregate, name="order"):
    id: str
    user_id: int
    user_name: str
    placed_at: datetime
    lines: tuple[OrderLine, ...]
    status: Status

    @classmethod
    def create(
        cls, order_id: str, user_id: int, user_name: str, placed_at: datetime, lines: tuple[OrderLine, ...]
    ) -> Order:
        if not lines:
            raise EmptyOrder(f"order {order_id} has no lines. Add at least one.")
        for line in lines:
            if line.quantity <= 0:
                raise InvalidLine(f"order {order_id}: {line.product_id} has the quantity {line.quantity}, not above 0.")
            if line.unit_price <= 0:
                raise InvalidLine(f"order {order_id}: {line.product_id} has the price {line.unit_price}, not above 0.")
        total = sum((line.amount for line in lines), Decimal())
        return cls.begin(
            OrderCreated(
                order_id=order_id, user_id=user_id, user_name=user_name, placed_at=placed_at, lines=lines, total=total
            )
        )

    @property
    def total(self) -> Decimal:
        return sum((line.amount for line in self.lines), Decimal())

    def pay(self) -> None:
        self._may_become(Status.PAID)
        self.record(OrderPaid(order_id=self.id))

    def ship(self) -> None:
        self._may_become(Status.SHIPPED)
        self.record(OrderShipped(order_id=self.id))

    def cancel(self) -> None:
        self._may_become(Status.CANCELLED)
        self.record(OrderCancelled(order_id=self.id, placed_at=self.placed_at, total=self.total))

    def _may_become(self, status: Status) -> None:
        if status not in _ALLOWED[self.status]:
            raise ForbiddenTransition(f"order {self.id} is {self.status.value}; it cannot become {status.value}.")

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
