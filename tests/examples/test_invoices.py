"""The importer reads what strangers wrote: a damaged row affects itself only."""

from __future__ import annotations

import csv
import gzip
import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.csv_rows import COLUMNS, LONGEST_LINE, NotAnOrderFile
from orders.invoices import MOST_ROWS, Invoice, Rejected, read_invoices

GOOD = ["1", "P1", "Lamp", "2", "2025-03-03 08:00:00", "1.50", "7.0", "France"]
HEADER = ",".join(COLUMNS)


def text_of(*rows: list[str]) -> str:
    """Return rows as CSV."""
    target = io.StringIO()
    csv.writer(target).writerows(rows)
    return target.getvalue()


def read(content: str) -> tuple[list[str], list[int]]:
    """Return the numbers of the orders that the rows below the header become, and of the rejected lines."""
    return read_file(f"{HEADER}\r\n{content}".encode())


def read_file(content: bytes) -> tuple[list[str], list[int]]:
    """Return the numbers of the orders in a file, and of its rejected lines."""
    source = io.BytesIO(content)
    source.name = "a.csv"
    found = list(read_invoices(source))
    orders = [invoice.order.order_id for invoice in found if isinstance(invoice, Invoice)]
    return orders, [rejected.row.number for rejected in found if isinstance(rejected, Rejected)]


def changed(column: str, value: str) -> list[str]:
    """Return a good row with another value in a column."""
    return [value if name == column else field for name, field in zip(COLUMNS, GOOD, strict=True)]


HOSTILE = [
    *[("CustomerID", value) for value in ("1e999999", "7.5", "-7", "nan", "Infinity", "9" * 5000, "٣", str(10**30))],
    *[("Quantity", value) for value in ("1e5", "2_0", str(10**30), "9" * 5000, "0x10", str(2**31))],
    *[("UnitPrice", value) for value in ("1e999999", "1e-9", str(10**30), "sNaN", "inf", "1.00001", "1," * 50)],
    *[("InvoiceDate", value) for value in ("", "yesterday", "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00")],
    *[("StockCode", value) for value in ("P" * 41, "P\0")],
    *[("Description", value) for value in ("x" * 201, "a\0b")],
    ("Country", "x" * 200),
    ("InvoiceNo", "9" * 41),
]


@pytest.mark.parametrize(("column", "value"), HOSTILE, ids=lambda text: text[:20])
def test_a_hostile_value_rejects_its_row_only(column: str, value: str) -> None:
    """A value that cannot be stored rejects its row; the rows before and behind it become orders."""
    rows = ["0", *GOOD[1:]], changed(column, value), ["2", *GOOD[1:]]
    assert read(text_of(*rows)) == (["0", "2"], [3])


@pytest.mark.parametrize(
    "line",
    [
        '1,P1,"Lamp,2,2025-03-03 08:00:00,1.50,7.0,France',
        '1,P1,"La"mp,2,2025-03-03 08:00:00,1.50,7.0,France',
        "x" * (3 * LONGEST_LINE),
        "1,P1," + "x" * LONGEST_LINE + ",2,2025-03-03 08:00:00,1.50,7.0,France",
        ",,,,,,,,,,",
        "",
    ],
    ids=["open quote", "text behind a quote", "long line", "long field", "commas", "empty"],
)
def test_a_damaged_line_affects_itself_only(line: str) -> None:
    """A line that cannot be split is rejected with its number, and every line behind it is read."""
    behind = [[str(number), *GOOD[1:]] for number in range(2, 40)]
    assert read(line + "\r\n" + text_of(*behind)) == ([row[0] for row in behind], [2])


def test_a_field_may_hold_line_breaks() -> None:
    """A quoted line break belongs to its field, and the lines behind it keep their numbers."""
    assert read(text_of(changed("Description", "Lamp\nwith shade"), ["2", "P1"])) == (["1"], [4])


def test_an_invoice_that_continues_elsewhere_is_rejected_there() -> None:
    """The rows of an invoice that follow another invoice are rejected in every run, whatever runs at the same time."""
    assert read(text_of(GOOD, ["2", *GOOD[1:]], GOOD, ["3", *GOOD[1:]])) == (["1", "2", "3"], [4])


def test_a_time_with_an_offset_is_converted() -> None:
    """A time with an offset becomes the same instant in UTC: here the day before, which is another order's day."""
    assert read(text_of(GOOD, changed("InvoiceDate", "2025-03-03T01:00+02:00"))) == (["1"], [3])


def test_an_invoice_has_a_limit_of_rows() -> None:
    """The rows beyond the limit of an invoice are rejected."""
    orders, rejected = read(text_of(GOOD) * (MOST_ROWS + 2))
    assert (orders, len(rejected)) == (["1"], 2)


@given(st.binary(max_size=200).filter(lambda line: not {10, 13} & set(line)))
def test_any_bytes_are_one_row(line: bytes) -> None:
    """A line of any bytes is an order or a rejected row, and the next order is read."""
    good = text_of(["last", *GOOD[1:]]).encode()
    orders, rejected = read_file(HEADER.encode() + b"\r\n" + line + b"\r\n" + good)
    assert orders[-1:] == ["last"]
    assert len(orders) + len(rejected) == 2


@given(st.lists(st.tuples(st.integers(0, 10**4), st.integers(0, 255)), min_size=1, max_size=5))
def test_a_damaged_gzip_file_is_refused_before_a_row_is_read(damage: list[tuple[int, int]]) -> None:
    """Damage anywhere in a gzip file is found by its check sum, before wrong numbers become an order."""
    whole = gzip.compress(f"{HEADER}\r\n{text_of(GOOD) * 500}".encode())
    content = bytearray(whole)
    for place, value in damage:
        content[place % len(content)] = value
    with suppress(NotAnOrderFile):
        assert read_file(bytes(content)) == read_file(whole)
