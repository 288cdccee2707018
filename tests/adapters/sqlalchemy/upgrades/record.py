"""Record a database of the current schema version with the data of the ledger, as statements that create it again.

    python -m tests.adapters.sqlalchemy.upgrades.record postgresql+asyncpg://user:password@host/empty_database

The file is written beside this module. It is recorded once, before the schema changes.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement

from twofold_sqlalchemy import SqlAlchemy
from twofold_sqlalchemy._dialects.registry import dialect_of
from twofold_sqlalchemy._schema.tables import SCHEMA, own_tables

from .ledger import LATER, Balance, Book, Total, application


async def main(url: str) -> None:
    """Fill an empty database and write its record."""
    engine = create_async_engine(url)
    store = SqlAlchemy(engine)
    app = application(store)
    await app.create_schema()
    async with app:
        for number, account in enumerate("ababc"):
            await app.dispatch(Book(account_id=account, amount=Decimal("1.50")), idempotency_key=f"key-{number}")
        async with app.session() as session:
            await session.schedule(Book(account_id="c", amount=Decimal(9)), at=LATER, id="later")
        await app.settle()
    transaction = await store.begin()
    await transaction.inbox.claim("consumer", "message", time=datetime(2026, 1, 1, tzinfo=UTC))
    await transaction.commit()
    async with engine.connect() as connection:
        statements = await recorded(connection, store)
    name = "mariadb" if engine.dialect.name in ("mysql", "mariadb") else engine.dialect.name
    file = Path(__file__).with_name(f"{name}_{SCHEMA}.json")
    file.write_text(json.dumps(statements, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    await engine.dispose()


async def recorded(connection: AsyncConnection, store: SqlAlchemy) -> list[str]:
    """Return the statements that create the tables, their rows, and the triggers."""
    own = dialect_of(connection.dialect.name)
    tables = store.metadata([Balance, Total])
    own_tables(own, tables)
    overriding = "OVERRIDING SYSTEM VALUE " if connection.dialect.name == "postgresql" else ""
    statements: list[str] = []
    for table in tables.sorted_tables:
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        items: list[DDLElement] = [CreateTable(table), *map(CreateIndex, indexes)]
        statements += [str(item.compile(dialect=connection.dialect)) for item in items]
        columns = [column.name for column in table.columns if column.computed is None]
        names = ", ".join(connection.dialect.identifier_preparer.quote(name) for name in columns)
        for row in await connection.exec_driver_sql(f"SELECT {names} FROM {table.name}"):
            values = ", ".join(literal(value, connection.dialect.name) for value in row)
            statements.append(f"INSERT INTO {table.name} ({names}) {overriding}VALUES ({values})")
        counters = [column.name for column in table.columns if column.identity is not None]
        if connection.dialect.name == "postgresql":
            statements += [
                f"SELECT setval('{table.name}_{name}_seq', max({name})) FROM {table.name}" for name in counters
            ]
    statements += [sql for _, sql in own.catalog.triggers(tables.tables["twofold_events"])]
    return [statement.strip() for statement in statements]


def literal(value: Any, dialect: str) -> str:
    """Return a value of a column as SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(int(value)) if dialect != "postgresql" else str(value).upper()
    if isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'" if dialect == "postgresql" else f"X'{value.hex()}'"
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, datetime):
        value = value.isoformat(sep=" ")
    text = str(value).replace("'", "''")
    if dialect in ("mysql", "mariadb"):
        text = text.replace("\\", "\\\\")
    return f"'{text}'"


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
