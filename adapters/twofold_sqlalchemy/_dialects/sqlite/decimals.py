"""Decimals of SQLite: a text for the value, and a generated text that sorts like the numbers.

A decimal is stored as plain text, so that 2.50 keeps its zero. SQLite has no decimal type, and compares texts from left to
right. The generated text has the sign, then all digits that a decimal may have: `p` and the digits for positive numbers; `n`
and for each digit a letter, from `a` for 9 to `j` for 0, for negative numbers, so that a larger amount sorts first.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Computed, Text

from ..decimals import FRACTION, WHOLE, check_decimal

_LETTERS: Final = {str(digit): "abcdefghij"[9 - digit] for digit in range(10)}
_TRANSLATED: Final = str.maketrans(_LETTERS)


def plain(value: Decimal) -> str:
    """Return a decimal as text without an exponent.

    Raises:
        StorageError: the decimal is not finite, or has too many digits.
    """
    check_decimal(value)
    return format(value or value.copy_abs(), "f")


def sortable(value: Decimal) -> str:
    """Return the text that sorts like the numbers, as the generated column contains it.

    Raises:
        StorageError: the decimal is not finite, or has too many digits.
    """
    text = plain(value)
    whole, _, fraction = text.removeprefix("-").partition(".")
    digits = whole.zfill(WHOLE) + fraction.ljust(FRACTION, "0")
    return "n" + digits.translate(_TRANSLATED) if text.startswith("-") else "p" + digits


def sortable_column(name: str) -> Column[Any]:
    """Return the generated column of a column of decimals."""
    return Column(_generated(name), Text(), Computed(_expression(f'"{name}"'), persisted=False))


def compared(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the expression by which a column of decimals, or a bound value, is compared."""
    return column.table.c[_generated(column.name)] if isinstance(column, Column) else column


def _generated(name: str) -> str:
    return f"_{name}_sortable"


def _expression(name: str) -> str:
    """Return SQL for the text that sorts like the numbers, given the name of the column with the plain text."""
    number = f"ltrim({name}, '-')"
    point = f"instr({number} || '.', '.')"
    whole = f"substr('{'0' * WHOLE}' || substr({number}, 1, {point} - 1), -{WHOLE})"
    fraction = f"substr(substr({number}, {point} + 1) || '{'0' * FRACTION}', 1, {FRACTION})"
    digits = letters = f"({whole} || {fraction})"
    for digit, letter in _LETTERS.items():
        letters = f"replace({letters}, '{digit}', '{letter}')"
    return f"CASE WHEN substr({name}, 1, 1) = '-' THEN 'n' || {letters} ELSE 'p' || {digits} END"
