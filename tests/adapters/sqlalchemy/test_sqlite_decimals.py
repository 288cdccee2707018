"""SQLite compares decimals exactly, by a text that the database generates."""

from __future__ import annotations

import sqlite3
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, Table, Text
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from twofold.errors import StorageError
from twofold_sqlalchemy._dialects.sqlite.decimals import plain, sortable, sortable_column

DECIMALS = (
    st.decimals(-(10**35) + 1, 10**35 - 1, places=30)
    | st.decimals(-100, 100, places=2)
    | st.integers(-5, 5).map(Decimal)
)


def table() -> sqlite3.Connection:
    """Return a database with a table of decimals."""
    made = Table("prices", MetaData(), Column("amount", Text()), sortable_column("amount"))
    connection = sqlite3.connect(":memory:")
    connection.execute(str(CreateTable(made).compile(dialect=sqlite.dialect())))
    return connection


@given(st.lists(DECIMALS, min_size=1, max_size=6))
def test_the_database_sorts_decimals_like_numbers(amounts: list[Decimal]) -> None:
    """The generated text is the one that values are compared with, and sorts like the numbers."""
    connection = table()
    connection.executemany("INSERT INTO prices (amount) VALUES (?)", [(plain(each),) for each in amounts])
    found = connection.execute("SELECT amount, _amount_sortable FROM prices ORDER BY _amount_sortable").fetchall()
    connection.close()
    assert [Decimal(amount) for amount, _ in found] == sorted(amounts)
    assert [text for _, text in found] == sorted(map(sortable, amounts))


@pytest.mark.parametrize("text", ["1E+35", "1E-31", "NaN", "sNaN", "Infinity", "-Infinity"])
def test_decimals_that_cannot_be_compared_are_refused(text: str) -> None:
    """The limits are those of MariaDB, so that a view fits each store."""
    with pytest.raises(StorageError):
        plain(Decimal(text))
