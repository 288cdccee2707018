"""Read invoices from a CSV file; every row that does not belong to one is rejected with a reason."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import count, groupby
from typing import Any, BinaryIO, NamedTuple, TextIO

from orders.messages import CreateOrder, OrderLine

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")


class NotAnOrderFile(Exception):
    """The file does not contain invoice lines as CSV, or it is truncated."""


class BadRow(Exception):
    """A row cannot become an order line; the text says why."""


class Row(NamedTuple):
    """One row of the file, numbered as an editor numbers lines when no field holds a line break: the header is row 1."""

    number: int
    fields: list[str]


class Invoice:
    """What the rows of an invoice become: an order, if any of them can be used, and rejected rows with the reasons."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows: list[Row] = []
        self.rejected: list[tuple[Row, str]] = []
        lines: list[OrderLine] = []
        whole: dict[str, Any] = {}
        for row in rows:
            try:
                head, line = _read(row)
                whole = whole or head
                same = (whole["user_id"], whole["placed_at"].date()) == (head["user_id"], head["placed_at"].date())
                _refuse("another customer or day than the rows before it in this invoice", not same)
            except BadRow as reason:
                self.rejected.append((row, str(reason)))
            else:
                self.rows.append(row)
                lines.append(line)
        self.order = CreateOrder(**whole, lines=tuple(lines)) if lines else None


def read_invoices(source: BinaryIO) -> Iterator[Invoice]:
    """Yield the invoices of a file, plain or gzip, and close it. The rows of an invoice stand together."""
    compressed = source.read(2) == b"\x1f\x8b"
    source.seek(0)
    binary = gzip.GzipFile(fileobj=source) if compressed else source
    # Invalid UTF-8 becomes a replacement character: a damaged name does not refuse an order.
    with source, io.TextIOWrapper(binary, encoding="utf-8-sig", errors="replace", newline="") as text:
        try:
            for _, rows in groupby(_rows(text), key=lambda row: "".join(row.fields[:1]).strip()):
                yield Invoice(rows)
        except (EOFError, gzip.BadGzipFile) as error:
            raise NotAnOrderFile(f"{text.name} is damaged: {error}. What was read until there is imported.") from error


def _rows(text: TextIO) -> Iterator[Row]:
    reader = csv.reader(text)
    header = tuple(next(reader, []))
    if header != COLUMNS:
        found, wanted = ",".join(header)[:80], ",".join(COLUMNS)
        raise NotAnOrderFile(
            f"{text.name} does not contain invoice lines: it starts with {found!r}, not with {wanted!r}."
        )
    for number in count(2):
        try:
            yield Row(number, next(reader))
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(number, ["", f"unreadable: {error}"])


def _read(row: Row) -> tuple[dict[str, Any], OrderLine]:
    """Return what a row says about the order that it belongs to, and its line."""
    if len(row.fields) != len(COLUMNS):
        raise BadRow(f"broken row: {len(row.fields)} fields instead of {len(COLUMNS)}")
    invoice, product, name, number, date, money, customer, country = map(str.strip, row.fields)
    _refuse("broken row: no invoice number", not invoice)
    _refuse("cancellation", invoice.upper().startswith("C"))
    _refuse("accounting adjustment", invoice.upper().startswith("A"))
    _refuse("no customer", not customer)
    _refuse("broken row: no product", not product)
    try:
        user_id, quantity, price = int(Decimal(customer)), int(number), Decimal(money)
        placed_at = datetime.fromisoformat(date).replace(tzinfo=UTC)
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise BadRow("broken row: a number or the date cannot be read") from error
    _refuse("quantity not above zero", quantity <= 0)
    _refuse("price not above zero", not price.is_finite() or price <= 0)
    line = OrderLine(product_id=product, product_name=name, quantity=quantity, unit_price=price)
    user = f"Customer {user_id}, {country}"
    return {"order_id": invoice, "user_id": user_id, "user_name": user, "placed_at": placed_at}, line


def _refuse(reason: str, holds: bool) -> None:
    if holds:
        raise BadRow(reason)
