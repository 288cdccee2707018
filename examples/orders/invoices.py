"""Build orders from the rows of invoices. A row that does not belong to an order is rejected with a reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import groupby
from typing import BinaryIO, NamedTuple

from pydantic import ValidationError

from orders.csv_rows import COLUMNS, Row, read_rows, text_of
from orders.messages import Address, CreateOrder, OrderLine, Payment

MOST_ROWS = 10_000  # of one invoice, because an order is one event
_CUSTOMER = re.compile(r"\d{1,18}(\.0+)?", re.ASCII)
_QUANTITY = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_PRICE = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?", re.ASCII)


class BadRow(Exception):
    """A row cannot become an order line. The message is the reason."""


class Rejected(NamedTuple):
    """A rejected row, with the reason."""

    row: Row
    reason: str


class Invoice(NamedTuple):
    """An order, with the rows that its lines come from."""

    order: CreateOrder
    rows: list[Row]


def read_invoices(source: BinaryIO) -> Iterator[Invoice | Rejected]:
    """Return the orders and the rejected rows of a file.

    The rows of an invoice must be consecutive. Later rows of the same invoice are rejected, in every run.

    Raises:
        NotAnOrderFile: the file is damaged, or has other columns.
    """
    return _group(read_rows(source))


def _group(all_rows: Iterator[Row]) -> Iterator[Invoice | Rejected]:
    seen = set[str]()
    for number, rows in groupby(all_rows, key=lambda row: text_of("".join(row.fields[:1]))):
        accepted: list[Row] = []
        orders: list[CreateOrder] = []
        for row in rows:
            try:
                order = _read(row)
                _refuse("the invoice continues after another invoice", number in seen)
                _refuse("another customer or day than the rows before it in this invoice", not _same(orders, order))
                _refuse(f"more than {MOST_ROWS:,} rows in this invoice", len(accepted) >= MOST_ROWS)
            except BadRow as reason:
                yield Rejected(row, str(reason))
            else:
                accepted.append(row)
                orders.append(order)
        if orders:
            seen.add(number)
            lines = tuple(line for order in orders for line in order.lines)
            yield Invoice(orders[0].model_copy(update={"lines": lines}), accepted)


def _same(before: list[CreateOrder], order: CreateOrder) -> bool:
    return not before or (before[0].user_id, before[0].placed_at.date()) == (order.user_id, order.placed_at.date())


def _read(row: Row) -> CreateOrder:
    """Return the order of one line that a row describes."""
    if len(row.fields) != len(COLUMNS):
        raise BadRow(f"broken row: {len(row.fields)} fields instead of {len(COLUMNS)}")
    invoice, product, name, number, date, money, customer, country = map(text_of, row.fields)
    _refuse("broken row: no invoice number", not invoice)
    _refuse("cancellation", invoice.upper().startswith("C"))
    _refuse("accounting adjustment", invoice.upper().startswith("A"))
    _refuse("no customer", not customer)
    _refuse("broken row: no product", not product)
    _refuse("broken row: the customer cannot be read", not _CUSTOMER.fullmatch(customer))
    _refuse("broken row: the quantity cannot be read", not _QUANTITY.fullmatch(number))
    _refuse("broken row: the price cannot be read", not _PRICE.fullmatch(money))
    user_id, quantity, price = int(customer.partition(".")[0]), int(number), Decimal(money)
    _refuse("quantity not above zero", quantity <= 0)
    _refuse("price not above zero", price <= 0)
    try:
        line = OrderLine(product_id=product, product_name=name, quantity=quantity, unit_price=price)
        address = _address(user_id, country)
        return CreateOrder(
            order_id=invoice,
            user_id=user_id,
            user_name=f"{address.recipient}, {country}",
            placed_at=_utc(date),
            lines=(line,),
            address=address,
            payment=Payment.INVOICE,
        )
    except ValidationError as error:
        raise BadRow(f"{error.errors()[0]['loc'][-1]}: {error.errors()[0]['msg']}") from error


@lru_cache(maxsize=1)  # the rows of an invoice have the same address
def _address(user_id: int, country: str) -> Address:
    return Address(recipient=f"Customer {user_id}", country=country)


def _utc(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise BadRow("broken row: the date cannot be read") from error


def _refuse(reason: str, holds: bool) -> None:
    if holds:
        raise BadRow(reason)
