"""Import invoices as orders, with one command per invoice. A second import creates no duplicates."""

from __future__ import annotations

import csv
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, TextIO

import anyio

from orders.csv_rows import COLUMNS, Row, harmless
from orders.invoices import Invoice, Rejected, read_invoices
from orders.messages import CreateOrder, OrderLine, PayOrder, ShipOrder, Status
from orders.read_side import GetOrder
from twofold import Application, Session
from twofold.errors import AggregateExists, EventNotRecordable, NotStorable

WORKERS = 4  # orders that are created concurrently: while one is written, the next are read and encoded


class Import:
    """One run of the import. It counts the results and writes rejected rows to a file, with line number and reason."""

    def __init__(self, rejects: TextIO, pay_rate: float, ship_rate: float) -> None:
        self.done = Counter[str]()
        self._rates = pay_rate, min(ship_rate, pay_rate)
        self._rejects = csv.writer(rejects)
        self._rejects.writerow(("Row", "Reason", *COLUMNS))

    def reject(self, reason: str, *rows: Row) -> None:
        self._rejects.writerows((row.number, reason, *map(harmless, row.fields)) for row in rows)
        self.done[f"rows rejected: {reason}"] += len(rows)

    async def create(self, session: Session, order: CreateOrder, rows: Sequence[Row]) -> None:
        pay, ship = (chosen(order.order_id, rate) for rate in self._rates)
        try:
            await session.dispatch(order)
        except AggregateExists:
            found = await session.execute(GetOrder(order_id=order.order_id), timeout=30)
            if found is None or not same(found.lines, order.lines):
                self.reject("an order of this number exists with other lines", *rows)
                return
            self.done.update({"orders there already": 1, "lines there already": len(rows)})
            pay, ship = pay and found.status == Status.PENDING, ship and found.status in (Status.PENDING, Status.PAID)
        except (NotStorable, EventNotRecordable) as error:
            self.reject(f"the order cannot be stored ({type(error).__name__})", *rows)
            return
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
    """Import a file, pay and ship shares of the orders, and return the counts. A second import creates no duplicates."""
    await app.settle(timeout=600)  # existing orders are compared with the read model, which must be current
    with source, rejects.open("w", newline="", encoding="utf-8") as target:
        invoices = read_invoices(source)
        run = Import(target, pay_rate, ship_rate)
        send, receive = anyio.create_memory_object_stream[Invoice]()

        async def work() -> None:
            async with app.session() as session, receive.clone() as orders:
                async for order, rows in orders:
                    await run.create(session, order, rows)

        async with receive, anyio.create_task_group() as workers, send:
            for _ in range(WORKERS):
                workers.start_soon(work)
            for found in invoices:
                if isinstance(found, Rejected):
                    run.reject(found.reason, found.row)
                    await anyio.lowlevel.checkpoint()
                else:
                    await send.send(found)
    return run.done


def same(found: Sequence[OrderLine], imported: Sequence[OrderLine]) -> bool:
    """Return whether two orders have the same lines. The images are of the catalogue, and not in the file."""
    return [line.model_dump(exclude={"image"}) for line in found] == [
        line.model_dump(exclude={"image"}) for line in imported
    ]


def chosen(order_id: str, rate: float) -> bool:
    """Return whether an order belongs to the chosen share. The answer depends only on the id."""
    return zlib.crc32(order_id.encode()) % 10_000 < rate * 10_000
