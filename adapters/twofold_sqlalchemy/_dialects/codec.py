"""The kinds of values, and how a database stores each kind."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from sqlalchemy import Column
from sqlalchemy.types import TypeEngine

Convert: TypeAlias = Callable[[Any], Any] | None
"""Converts a value that is not None. None: the value needs no conversion."""


class Kind(Enum):
    """The kinds of values for which every dialect has a column type."""

    NAME = "name"
    """A text that is part of a key or an index. Some databases limit its length."""
    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    FLOAT = "float"
    DECIMAL = "decimal"
    DATETIME = "datetime"
    DATE = "date"
    UUID = "uuid"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Codec:
    """The column type and the conversions that a dialect uses for a kind of value.

    Attributes:
        type: the column's type. The type converts nothing: `encode` returns a value for the driver, and `decode`
            converts a value from the driver.
        encode: converts a Python value to the driver's value.
        decode: converts the driver's value to a Python value.
        exact: a driver's value of exactly this class is valid without a check.
        generated: creates a further column from the name of the value's column. The database computes the further
            column and compares by it.
    """

    type: TypeEngine[Any]
    encode: Convert = None
    decode: Convert = None
    exact: builtins.type | None = None
    generated: Callable[[str], Column[Any]] | None = None
    compared: Convert = None
