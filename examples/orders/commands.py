"""The write side: one handler for each command."""

from __future__ import annotations

from orders.domain import Order
from orders.messages import CancelOrder, CreateOrder, PayOrder, ShipOrder
from twofold import Repository, Router

write_side = Router("orders, write side")


@write_side.command_handler(CreateOrder)
async def create_order(command: CreateOrder, orders: Repository[Order]) -> str:
    order = Order.create(command)
    await orders.add(order)
    return order.id


@write_side.command_handler(PayOrder, key="order_id")
async def pay_order(command: PayOrder, orders: Repository[Order]) -> None:
    (await orders.get(command.order_id)).pay()


@write_side.command_handler(ShipOrder, key="order_id")
async def ship_order(command: ShipOrder, orders: Repository[Order]) -> None:
    (await orders.get(command.order_id)).ship()


@write_side.command_handler(CancelOrder, key="order_id")
async def cancel_order(command: CancelOrder, orders: Repository[Order]) -> None:
    (await orders.get(command.order_id)).cancel()
