"""The tables that a catalog has found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .dialect import FoundTable


def found_tables(rows: Iterable[Any]) -> dict[str, FoundTable]:
    """Return the tables of rows that describe one column each.

    Args:
        rows: the name of the table, the name of the column, the SQL of its type, and its place in the primary key, from 1.
            The place is 0 for a column that is not part of the key.
    """
    columns: dict[str, dict[str, str]] = {}
    keys: dict[str, dict[int, str]] = {}
    for table, column, type_, place in rows:
        columns.setdefault(table, {})[column] = type_
        if place:
            keys.setdefault(table, {})[place] = column
    return {
        table: FoundTable(each, [keys[table][place] for place in sorted(keys[table])] if table in keys else [])
        for table, each in columns.items()
    }
