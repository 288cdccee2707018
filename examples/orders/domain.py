"""The aggregate `Order` and its rules."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from orders.messages import (
    Address,
    CreateOrder,
    OrderCancelled,
    OrderCreated,
    OrderDelivered,
    OrderLine,
    OrderPaid,
    OrderShipped,
    Payment,
    Status,
)
from twofold import Aggregate, Event, on


class OrderError(Exception):
    """A rule of the domain does not allow the change."""


class InvalidOrder(OrderError):
    """The order has no lines, or a line whose quantity or price is not positive."""


class UnknownCustomer(OrderError):
    """The customer directory does not have the customer."""


class UnknownProduct(OrderError):
    """The catalogue does not have the product."""


class ForbiddenTransition(OrderError):
    """The status of the order does not allow this change."""


_ALLOWED = {
    Status.PENDING: {Status.PAID, Status.CANCELLED},
    Status.PAID: {Status.SHIPPED, Status.CANCELLED},
    Status.SHIPPED: {Status.DELIVERED},
}


class Order(Aggregate, name="order"):
    id: str
    user_id: int
    user_name: str
    placed_at: datetime
    lines: tuple[OrderLine, ...]
    address: Address
    payment: Payment
    status: Status

    @classmethod
    def create(cls, wish: CreateOrder) -> Order:
        if not wish.lines:
            raise InvalidOrder(f"order {wish.order_id} has no lines. Add at least one.")
        for line in wish.lines:
            if line.quantity <= 0 or line.unit_price <= 0:
                found = f"{line.quantity} of {line.product_id} at {line.unit_price}"
                raise InvalidOrder(f"order {wish.order_id} has {found}. Quantity and price must be positive.")
        return cls.begin(OrderCreated(**dict(wish), total=sum((line.amount for line in wish.lines), Decimal())))

    @property
    def total(self) -> Decimal:
        return sum((line.amount for line in self.lines), Decimal())

    def pay(self) -> None:
        self._become(Status.PAID, OrderPaid(order_id=self.id))

    def ship(self) -> None:
        self._become(Status.SHIPPED, OrderShipped(order_id=self.id))

    def deliver(self) -> None:
        self._become(Status.DELIVERED, OrderDelivered(order_id=self.id))

    def cancel(self) -> None:
        self._become(Status.CANCELLED, OrderCancelled(order_id=self.id, placed_at=self.placed_at, total=self.total))

    def update_status(self, status: Status) -> None:
        changes = {
            Status.PAID: self.pay,
            Status.SHIPPED: self.ship,
            Status.DELIVERED: self.deliver,
            Status.CANCELLED: self.cancel,
        }
        if status not in changes:
            raise self._forbidden(status)
        changes[status]()

    def _become(self, status: Status, event: Event) -> None:
        if status not in _ALLOWED.get(self.status, ()):
            raise self._forbidden(status)
        self.record(event)

    def _forbidden(self, status: Status) -> ForbiddenTransition:
        return ForbiddenTransition(f"order {self.id} is {self.status}; it cannot become {status}.")

    @on(OrderCreated)
    def _created(self, event: OrderCreated) -> None:
        self.id = event.order_id
        self.user_id = event.user_id
        self.user_name = event.user_name
        self.placed_at = event.placed_at
        self.lines = event.lines
        self.address = event.address
        self.payment = event.payment
        self.status = Status.PENDING

    @on(OrderPaid)
    def _paid(self, event: OrderPaid) -> None:
        self.status = Status.PAID

    @on(OrderShipped)
    def _shipped(self, event: OrderShipped) -> None:
        self.status = Status.SHIPPED

    @on(OrderDelivered)
    def _delivered(self, event: OrderDelivered) -> None:
        self.status = Status.DELIVERED

    @on(OrderCancelled)
    def _cancelled(self, event: OrderCancelled) -> None:
        self.status = Status.CANCELLED
