"""Import invoices as orders: one command each, nothing twice, and every other row accounted for."""

from __future__ import annotations

import csv
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, TextIO

import anyio

from orders.csv_rows import COLUMNS, NotAnOrderFile, Row, read_invoices
from orders.messages import CreateOrder, PayOrder, ShipOrder
from orders.read_side import GetOrder
from twofold import Application, Session
from twofold.errors import AggregateExists

WORKERS = 4  # orders on their way at once: while one is being written, the next are read and encoded


class Import:
    """One run. What it did is counted; the rows that become no order go to the reject file, with number and reason."""

    def __init__(self, rejects: TextIO, pay_rate: float, ship_rate: float) -> None:
        self.done = Counter[str]()
        self._rates = pay_rate, min(ship_rate, pay_rate)
        self._rejects = csv.writer(rejects)
        self._rejects.writerow(("Row", "Reason", *COLUMNS))

    def reject(self, row: Row, reason: str) -> None:
        self._rejects.writerow((row.number, reason, *row.fields))
        self.done[f"rows rejected: {reason}"] += 1

    async def create(self, session: Session, order: CreateOrder, rows: Sequence[Row]) -> None:
        pay, ship = (chosen(order.order_id, rate) for rate in self._rates)
        try:
            await session.dispatch(order)
        except AggregateExists:
            found = await session.execute(GetOrder(order_id=order.order_id), timeout=30)
            if found is None or found.lines != order.lines:
                for row in rows:
                    self.reject(row, "an order of this number exists with other lines")
                return
            self.done.update({"orders there already": 1, "lines there already": len(rows)})
            pay, ship = pay and found.status == "pending", ship and found.status != "shipped"
        else:
            self.done.update({"orders created": 1, "lines created": len(rows)})
        if pay:
            await session.dispatch(PayOrder(order_id=order.order_id))
            self.done["orders paid"] += 1
        if ship:
            await session.dispatch(ShipOrder(order_id=order.order_id))
            self.done["orders shipped"] += 1


async def import_orders(
    app: Application, source: BinaryIO, rejects: Path, *, pay_rate: float = 0, ship_rate: float = 0
) -> Counter[str]:
    """Import a file, pay and ship shares of the orders, and return what was done. Doing it again creates nothing twice."""
    await app.settle(timeout=600)  # what an earlier run created is compared with what the read model has of it
    damaged: NotAnOrderFile | None = None
    with rejects.open("w", newline="", encoding="utf-8") as target:
        run = Import(target, pay_rate, ship_rate)
        send, receive = anyio.create_memory_object_stream[tuple[CreateOrder, Sequence[Row]]]()

        async def work() -> None:
            async with app.session() as session, receive.clone() as orders:
                async for order, rows in orders:
                    await run.create(session, order, rows)

        async with receive, anyio.create_task_group() as workers, send:
            for _ in range(WORKERS):
                workers.start_soon(work)
            try:
                for invoice in read_invoices(source):
                    for row, reason in invoice.rejected:
                        run.reject(row, reason)
                    if invoice.order is not None:
                        await send.send((invoice.order, invoice.rows))
            except NotAnOrderFile as error:
                damaged = error
    if damaged is not None:
        raise damaged
    return run.done


def chosen(order_id: str, rate: float) -> bool:
    """Return whether an order is among the share that is chosen; the same answer each time it is asked."""
    return zlib.crc32(order_id.encode()) % 10_000 < rate * 10_000
