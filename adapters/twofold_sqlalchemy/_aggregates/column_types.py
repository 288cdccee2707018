"""Column types for tables of your own, whose values come back as they went in, on every database."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import DateTime, Dialect, Numeric, String
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.types import TypeDecorator, TypeEngine


class ExactDecimal(TypeDecorator[Decimal]):
    """An exact decimal: NUMERIC, and text on SQLite, whose own decimals are floating point.

    Args:
        precision: digits in all.
        scale: digits behind the point. A database refuses or rounds further ones; SQLite keeps them.
    """

    impl = Numeric
    cache_ok = True

    def __init__(self, precision: int = 19, scale: int = 4) -> None:
        super().__init__(precision, scale)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return how a database keeps it."""
        return dialect.type_descriptor(String(64)) if dialect.name == "sqlite" else super().load_dialect_impl(dialect)

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Return what is sent."""
        return format(value, "f") if dialect.name == "sqlite" and value is not None else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Return what was kept."""
        return None if value is None else Decimal(value)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, with microseconds. It is kept in UTC and comes back in UTC; one without a zone is refused."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return how a database keeps it."""
        exact = {"mysql": DATETIME(fsp=6), "mariadb": DATETIME(fsp=6), "postgresql": DateTime(timezone=True)}
        return dialect.type_descriptor(exact.get(dialect.name, DateTime()))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return what is sent."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"cannot store {value.isoformat()}: it has no time zone. Give it one, such as UTC.")
        moment = value.astimezone(UTC)
        return moment if dialect.name == "postgresql" else moment.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return what was kept."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
