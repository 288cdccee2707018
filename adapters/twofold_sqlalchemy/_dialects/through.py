"""Statements by way of SQLAlchemy's connection, for databases whose driver is not called directly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ColumnElement
from sqlalchemy.ext.asyncio import AsyncConnection

if TYPE_CHECKING:
    from .._connection.database import Database


class NothingParticular:
    """What a dialect says when its connections, tables and errors need nothing more."""

    async def cut_short(self, connection: AsyncConnection) -> None:
        """Need nothing: the driver knows what it has begun."""

    async def give_back(self, connection: AsyncConnection) -> None:
        """Close it, which gives it to the pool."""
        await connection.close()

    def meta_columns(self) -> Sequence[Column[Any]]:
        """Need none."""
        return ()

    def table_options(self, *, counted: bool = False) -> dict[str, Any]:
        """Need none."""
        return {}

    def index_options(self, columns: Sequence[ColumnElement[Any]]) -> dict[str, Any]:
        """Need none."""
        return {}

    def advice(self, error: BaseException | None) -> str:
        """Leave it to the error's text."""
        return ""


class ThroughSqlAlchemy(NothingParticular):
    """What a dialect does with a connection when it has no shorter way."""

    async def fetch(self, connection: AsyncConnection, text: str, parameters: tuple[Any, ...]) -> Sequence[Any]:
        """Run a statement and return its rows."""
        return (await connection.exec_driver_sql(text, parameters)).all()

    async def change(self, connection: AsyncConnection, text: str, parameters: tuple[Any, ...]) -> int:
        """Run a statement and return how many rows it matched."""
        return (await connection.exec_driver_sql(text, parameters)).rowcount

    async def change_many(self, connection: AsyncConnection, text: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement once for each set of parameters."""
        await connection.exec_driver_sql(text, list(rows))

    async def discard(self, connection: AsyncConnection) -> None:
        """Give the connection back; the pool rolls back what was begun."""
        await connection.close()

    async def commit(self, connection: AsyncConnection) -> None:
        """Commit."""
        await connection.commit()

    async def rollback(self, connection: AsyncConnection) -> None:
        """Roll back."""
        await connection.rollback()

    async def announce(self, database: Database) -> None:
        """Do nothing: the database has no notifications."""

    async def watch(self, database: Database, heard: Callable[[], None]) -> None:
        """Return: there is nothing to hear."""

    def is_lost(self, connection: AsyncConnection) -> bool:
        """Return whether the connection is dead and SQLAlchemy does not know it."""
        return False
