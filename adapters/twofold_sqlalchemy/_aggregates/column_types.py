"""Column types for your own tables. They return the same values on every database."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import DateTime, Dialect, Numeric, String
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.types import TypeDecorator, TypeEngine


class ExactDecimal(TypeDecorator[Decimal]):
    """An exact decimal that keeps its trailing zeros: NUMERIC on PostgreSQL, and text on SQLite, MariaDB and MySQL.

    SQLite would store a floating point number, and MariaDB would fill up the decimal places: 9.90 would become 9.9000. To
    compare the text in SQL, cast it.

    Args:
        precision: the maximal number of digits.
        scale: the maximal number of digits after the decimal point. Further digits are refused with `NotStorable`.
    """

    impl = Numeric
    cache_ok = True

    def __init__(self, precision: int = 19, scale: int = 4) -> None:
        super().__init__(precision, scale)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column type of a database."""
        return dialect.type_descriptor(Numeric() if dialect.name == "postgresql" else String(100))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Return the value to store."""
        if value is None or dialect.name == "postgresql":
            return value
        return format(value, "f")

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Return the stored value."""
        return None if value is None else Decimal(value)


class UtcDateTime(TypeDecorator[datetime]):
    """A time with microseconds, stored and returned in UTC. A time without a time zone is refused."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column type of a database."""
        exact = {"mysql": DATETIME(fsp=6), "mariadb": DATETIME(fsp=6), "postgresql": DateTime(timezone=True)}
        return dialect.type_descriptor(exact.get(dialect.name, DateTime()))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the value to store."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"cannot store {value.isoformat()}: it has no time zone. Add a time zone, such as UTC.")
        moment = value.astimezone(UTC)
        return moment if dialect.name == "postgresql" else moment.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the stored value."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
