"""Split a CSV file into numbered rows. A damaged line affects itself only, whatever it contains."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, NamedTuple, TextIO, cast

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
LONGEST_LINE = 65_536  # characters; the rest of a longer line is skipped
MOST_LINES = 10  # of one row; a quote that is not closed within them affects only its own line

_TEXT_CELL = re.compile(r'="((?:[^"]|"")*)"')
_FORMULA = re.compile(r"[=@\t\r]|[+-](?![\d.]+$)", re.ASCII)


class NotAnOrderFile(Exception):
    """The file does not contain invoice lines as CSV, or it is damaged."""


class Row(NamedTuple):
    """One row of the file with the number of its first line; the header is line 1.

    The fields of a row that cannot be split are its text, alone.
    """

    number: int
    fields: list[str]


def read_rows(source: BinaryIO) -> Iterator[Row]:
    """Return the rows below the header of a file, plain or gzip.

    Raises:
        NotAnOrderFile: the file is damaged, or its first line is not the header.
    """
    # Invalid UTF-8 becomes a replacement character: a damaged name does not refuse an order.
    rows = _rows(io.TextIOWrapper(_decompressed(source), "utf-8-sig", errors="replace", newline=""))
    header = next(rows, Row(1, []))
    if tuple(header.fields) != COLUMNS:
        found, wanted = ",".join(header.fields)[:80], ",".join(COLUMNS)
        raise NotAnOrderFile(f"{source.name} does not contain invoice lines. It starts with {found!r}, not {wanted!r}.")
    return rows


def text_of(cell: str) -> str:
    """Return the text of a cell. Spreadsheets write `="0012"` for a text that looks like a number."""
    found = _TEXT_CELL.fullmatch(cell.strip())
    return found[1].replace('""', '"').strip() if found else cell.strip()


def harmless(cell: object) -> object:
    """Return a cell for a file that people open: a spreadsheet would evaluate a text that begins like a formula."""
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


def _decompressed(source: BinaryIO) -> BinaryIO:
    """Return the content of the file. The check sum at the end of a gzip file is verified before a row is read."""
    compressed = source.read(2) == b"\x1f\x8b"
    source.seek(0)
    if not compressed:
        return source
    try:
        with gzip.GzipFile(fileobj=source) as content:
            while content.read(1 << 20):
                pass
    except (EOFError, OSError, zlib.error) as error:
        raise NotAnOrderFile(f"{source.name} is damaged: {error}. Nothing was imported.") from error
    source.seek(0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=source))


def _rows(text: TextIO) -> Iterator[Row]:
    with text:
        lines, number = _lines(text), 1
        ahead = deque(islice(lines, MOST_LINES))
        while ahead:
            fields, height = _split(ahead)
            yield Row(number, fields)
            number += height
            for _ in range(height):
                ahead.popleft()
            ahead.extend(islice(lines, height))


def _split(ahead: deque[str]) -> tuple[list[str], int]:
    """Return the fields of the row that begins with the first line, and how many lines the row has."""
    for height in range(1, len(ahead) + 1):
        try:
            fields = next(csv.reader(islice(ahead, height), strict=True))
        except csv.Error:
            continue
        if height == 1 or len(fields) == len(COLUMNS):
            return fields, height
    return [ahead[0].rstrip("\r\n")], 1


def _lines(text: TextIO) -> Iterator[str]:
    while line := text.readline(LONGEST_LINE):
        rest = line
        while rest and not rest.endswith(("\r", "\n")):
            rest = text.readline(LONGEST_LINE)
        yield line
