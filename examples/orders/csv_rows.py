"""Read invoices from a CSV file; every row that does not belong to one is rejected with a reason."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from orders.messages import OrderLine

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")


class NotAnOrderFile(Exception):
    """The file is not a CSV of invoice lines."""


class BadRow(Exception):
    """A row cannot become an order line; the text says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file, numbered as an editor numbers lines when no field holds a line break: the header is row 1."""

    number: int
    fields: list[str]


@dataclass(frozen=True, slots=True)
class Invoice:
    """The usable rows of one invoice; `rejected` holds the others with their reasons."""

    number: str
    user_id: int
    user_name: str
    placed_at: datetime
    lines: tuple[OrderLine, ...]
    rows: tuple[Row, ...]
    rejected: tuple[tuple[Row, str], ...]


_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Draft:
    rows: list[Row] = field(default_factory=list)
    lines: list[OrderLine] = field(default_factory=list)
    rejected: list[tuple[Row, str]] = field(default_factory=list)
    user_id: int = 0
    country: str = ""
    placed_at: datetime = _NEVER


def read_invoices(raw: BinaryIO, path: Path) -> Iterator[Invoice]:
    """Yield the invoices of a file, plain or gzip, one at a time. An invoice's rows stand together.

    Raises:
        NotAnOrderFile: it is no such file, or it ends in the middle.
    """
    try:
        for number, rows in groupby(_rows(raw, path), key=lambda row: row.fields[0].strip() if row.fields else ""):
            yield _invoice(number, rows)
    except (EOFError, gzip.BadGzipFile) as error:
        raise NotAnOrderFile(f"{path} is damaged: {error}. What was read until there is imported.") from error


def _rows(raw: BinaryIO, path: Path) -> Iterator[Row]:
    compressed = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    binary = gzip.GzipFile(fileobj=raw) if compressed else raw
    # A byte that is no UTF-8 becomes a replacement character: a spoiled name is no reason to refuse an order.
    text = io.TextIOWrapper(binary, encoding="utf-8-sig", errors="replace", newline="")
    reader = csv.reader(text)
    header = tuple(next(reader, []))
    if header != COLUMNS:
        raise NotAnOrderFile(
            f"{path} is not a file of invoice lines: its first row is {','.join(header)[:80]!r}, "
            f"expected {','.join(COLUMNS)!r}."
        )
    number = 1
    while True:
        number += 1
        try:
            yield Row(number, next(reader))
        except StopIteration:
            text.detach()  # the caller's file stays open
            return
        except csv.Error as error:
            yield Row(number, ["", f"unreadable: {error}"])


def _invoice(number: str, rows: Iterator[Row]) -> Invoice:
    draft = _Draft()
    for row in rows:
        try:
            line, user_id, placed_at, country = _line(row, number)
        except BadRow as reason:
            draft.rejected.append((row, str(reason)))
            continue
        if draft.lines and (user_id, placed_at.date()) != (draft.user_id, draft.placed_at.date()):
            draft.rejected.append((row, "another customer or day than the rows before it in this invoice"))
            continue
        if not draft.lines:
            draft.user_id, draft.placed_at, draft.country = user_id, placed_at, country
        draft.lines.append(line)
        draft.rows.append(row)
    name = f"Customer {draft.user_id}, {draft.country}"
    lines, good, bad = tuple(draft.lines), tuple(draft.rows), tuple(draft.rejected)
    return Invoice(number, draft.user_id, name, draft.placed_at, lines, good, bad)


def _line(row: Row, invoice: str) -> tuple[OrderLine, int, datetime, str]:
    if len(row.fields) != len(COLUMNS):
        raise BadRow(f"broken row: {len(row.fields)} fields instead of {len(COLUMNS)}")
    _, product, name, quantity_text, date, price_text, customer, country = (text.strip() for text in row.fields)
    if not invoice:
        raise BadRow("broken row: no invoice number")
    if invoice.upper().startswith("C"):
        raise BadRow("cancellation")
    if invoice.upper().startswith("A"):
        raise BadRow("accounting adjustment")
    if not customer:
        raise BadRow("no customer")
    if not product:
        raise BadRow("broken row: no product")
    try:
        user_id, quantity, price = int(Decimal(customer)), int(quantity_text), Decimal(price_text)
        placed_at = datetime.fromisoformat(date).replace(tzinfo=UTC)
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise BadRow("broken row: a number or the date cannot be read") from error
    if quantity <= 0:
        raise BadRow("quantity not above zero")
    if not price.is_finite() or price <= 0:
        raise BadRow("price not above zero")
    return (
        OrderLine(product_id=product, product_name=name, quantity=quantity, unit_price=price),
        user_id,
        placed_at,
        country,
    )
