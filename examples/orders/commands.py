"""The write side: one handler for each command."""

from __future__ import annotations

from orders.catalogue import Catalogue
from orders.customers import Customers
from orders.domain import Order, UnknownCustomer, UnknownProduct
from orders.messages import (
    CancelOrder,
    CreateOrder,
    DeliverOrder,
    OrderLine,
    PayOrder,
    PlaceOrder,
    ShipOrder,
    UpdateOrderStatus,
)
from twofold import Clock, Ids, Repository, Router

write_side = Router("orders, write side")


@write_side.command_handler(PlaceOrder)
async def place_order(
    command: PlaceOrder, orders: Repository[Order], customers: Customers, catalogue: Catalogue, clock: Clock, ids: Ids
) -> str:
    customer = await customers.find(command.user_id)
    if customer is None:
        raise UnknownCustomer(f"there is no customer {command.user_id}.")
    products = await catalogue.find(wanted := {item.product_id for item in command.items})
    if missing := sorted(wanted - products.keys()):
        raise UnknownProduct(f"the catalogue does not have {', '.join(missing)}.")
    order = Order.create(
        CreateOrder(
            order_id=str(ids.new()),
            user_id=customer.user_id,
            user_name=customer.name,
            placed_at=clock.now(),
            lines=tuple(products[item.product_id].line(item.quantity) for item in command.items),
            address=customer.address,
            payment=command.payment or customer.payment,
        )
    )
    await orders.add(order)
    return order.id


@write_side.command_handler(CreateOrder)
async def create_order(command: CreateOrder, orders: Repository[Order], catalogue: Catalogue) -> str:
    order = Order.create(command.model_copy(update={"lines": await _with_images(command.lines, catalogue)}))
    await orders.add(order)
    return order.id


async def _with_images(lines: tuple[OrderLine, ...], catalogue: Catalogue) -> tuple[OrderLine, ...]:
    products = await catalogue.find({line.product_id for line in lines})
    return tuple(
        line.model_copy(update={"image": products[line.product_id].image}) if line.product_id in products else line
        for line in lines
    )


@write_side.command_handler(PayOrder, key="order_id")
async def pay_order(command: PayOrder, orders: Repository[Order]) -> None:
    (await orders.get(command.order_id)).pay()


@write_side.command_handler(ShipOrder, key="order_id")
async def ship_order(command: ShipOrder, orders: Repository[Order]) -> None:
    (await orders.get(command.order_id)).ship()


@write_side.command_handler(DeliverOrder, key="order_id")
async def deliver_order(command: DeliverOrder, orders: Repository[Order]) -> None:
    (await orders.get(command.order_id)).deliver()


@write_side.command_handler(CancelOrder, key="order_id")
async def cancel_order(command: CancelOrder, orders: Repository[Order]) -> None:
    (await orders.get(command.order_id)).cancel()


@write_side.command_handler(UpdateOrderStatus, key="order_id")
async def update_order_status(command: UpdateOrderStatus, orders: Repository[Order]) -> None:
    (await orders.get(command.order_id)).update_status(command.status)
