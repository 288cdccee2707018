"""The records of the fields of events whose tags are stored, and tags of stored events."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from sqlalchemy import bindparam, delete, select

from twofold.ports import Position, TagEntry

from .._connection.compiler import Compiler
from .._connection.open_transaction import OpenTransaction
from .._schema.tables import Tables

_FILL: Final = "fill the tags of events"


class TagRecordStatements:
    """The statements on the records of tags.

    Args:
        compiler: compiles the statements.
        tables: Twofold's tables in it.
    """

    def __init__(self, compiler: Compiler, tables: Tables) -> None:
        prepare, tagged, insert_new = compiler.prepare, tables.tagged, compiler.sql.insert_new
        this = (tagged.c.event == bindparam("of"), tagged.c.field == bindparam("this"))
        self.read = prepare(select(tagged.c.field, tagged.c.filled).where(tagged.c.event == bindparam("of")))
        self.delete = prepare(delete(tagged).where(*this))
        self.add = prepare(insert_new(tagged).values({name: bindparam(name) for name in ("event", "field", "filled")}))
        self.fill = prepare(
            insert_new(tables.tags).values({name: bindparam(name) for name in ("tag", "position", "name")})
        )


class SqlTagRecords:
    """The `TagRecords` of a transaction."""

    __slots__ = ("_statements", "_transaction")

    def __init__(self, transaction: OpenTransaction, statements: TagRecordStatements) -> None:
        self._transaction = transaction
        self._statements = statements

    async def progress(self, name: str) -> Mapping[str, Position | None]:
        """Return how far the tags of the fields of an event are complete."""
        rows = await self._transaction.fetch(self._statements.read, {"of": name}, f"read which tags {name} has")
        return {field: None if filled is None else Position(filled) for field, filled in rows}

    async def record(self, name: str, field: str, filled: Position | None) -> None:
        """Store how far the tags of a field are complete."""
        self._transaction.check_writable(_FILL)
        await self._transaction.change(self._statements.delete, {"of": name, "this": field}, _FILL)
        values = {"event": name, "field": field, "filled": filled}
        await self._transaction.change(self._statements.add, values, _FILL)

    async def add(self, entries: Sequence[TagEntry]) -> None:
        """Add tags to stored events."""
        self._transaction.check_writable(_FILL)
        fill = self._statements.fill
        rows = [fill.bind({"tag": each.tag, "position": each.position, "name": each.name}) for each in entries]
        if rows:
            await self._transaction.change_many(fill, rows, _FILL)

    async def remove(self, name: str, fields: Collection[str]) -> None:
        """Delete the records of some fields."""
        self._transaction.check_writable(_FILL)
        for field in sorted(fields):
            await self._transaction.change(self._statements.delete, {"of": name, "this": field}, _FILL)
