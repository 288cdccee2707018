"""Import invoices as orders: one command each, nothing twice, and every other row accounted for."""

from __future__ import annotations

import csv
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import anyio

from orders.csv_rows import COLUMNS, Invoice, NotAnOrderFile, Row, read_invoices
from orders.messages import CreateOrder, GetOrder, PayOrder
from twofold import Application, Session
from twofold.errors import AggregateExists

WORKERS = 4
"""How many orders are on their way at once: while one is being written, the next are read and encoded."""


@dataclass(slots=True)
class Summary:
    """What an import did. `rejected` counts rows by reason."""

    created: int = 0
    lines: int = 0
    there_already: int = 0
    lines_there_already: int = 0
    paid: int = 0
    rejected: Counter[str] = field(default_factory=Counter)


class RejectFile:
    """The rows that were not imported: row number, reason, and the row as it was."""

    def __init__(self, target: TextIO, summary: Summary) -> None:
        self._writer = csv.writer(target)
        self._writer.writerow(("Row", "Reason", *COLUMNS))
        self._summary = summary

    def add(self, row: Row, reason: str) -> None:
        self._writer.writerow((row.number, reason, *row.fields))
        self._summary.rejected[reason] += 1


async def import_orders(
    app: Application, path: Path, rejects: Path, *, pay_rate: float = 0.0, progress: Callable[[int], object] = id
) -> Summary:
    """Import a file. Importing it again, also after a crash in the middle, creates what is missing and nothing else.

    Args:
        app: the running application.
        path: the CSV file, plain or gzip.
        rejects: where the rows go that are not imported; written anew.
        pay_rate: the share of the orders to pay at once, chosen by their numbers, from 0 to 1.
        progress: told how many bytes of the file were read.

    Raises:
        NotAnOrderFile: the file is no such CSV.
    """
    summary = Summary()
    with path.open("rb") as raw, rejects.open("w", newline="", encoding="utf-8") as target:
        reject = RejectFile(target, summary)
        send, receive = anyio.create_memory_object_stream[Invoice]()

        async def work() -> None:
            async with app.session() as session, receive.clone() as invoices:
                async for invoice in invoices:
                    await _import(session, invoice, reject, summary, pay_rate)

        damaged: NotAnOrderFile | None = None
        async with receive, anyio.create_task_group() as workers, send:
            for _ in range(WORKERS):
                workers.start_soon(work)
            try:
                for invoice in read_invoices(raw, path):
                    for row, reason in invoice.rejected:
                        reject.add(row, reason)
                    if invoice.lines:
                        await send.send(invoice)
                    progress(raw.tell())
            except NotAnOrderFile as error:  # what was read until there is finished first
                damaged = error
    if damaged is not None:
        raise damaged
    return summary


async def _import(session: Session, invoice: Invoice, reject: RejectFile, summary: Summary, pay_rate: float) -> None:
    pay = chosen(invoice.number, pay_rate)
    try:
        await session.dispatch(
            CreateOrder(
                order_id=invoice.number,
                user_id=invoice.user_id,
                user_name=invoice.user_name,
                placed_at=invoice.placed_at,
                lines=invoice.lines,
            )
        )
    except AggregateExists:
        order = await session.execute(GetOrder(order_id=invoice.number), timeout=30)
        if order is None or [line.amount for line in order.lines] != [line.amount for line in invoice.lines]:
            for row in invoice.rows:
                reject.add(row, "an order of this number exists with other lines")
            return
        summary.there_already += 1
        summary.lines_there_already += len(invoice.lines)
        pay = pay and order.status == "pending"
    else:
        summary.created += 1
        summary.lines += len(invoice.lines)
    if pay:
        await session.dispatch(PayOrder(order_id=invoice.number))
        summary.paid += 1


def chosen(order_id: str, rate: float) -> bool:
    """Return whether an order is among the share that is chosen; the same answer each time it is asked."""
    return zlib.crc32(order_id.encode()) % 10_000 < rate * 10_000
