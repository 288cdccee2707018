"""State-stored aggregates in the user's tables, by a mapping."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Column, ColumnElement, RowMapping, Table, and_, bindparam, delete, insert, select, update

from twofold.errors import ConfigurationError, NotStorable
from twofold.ports import Versioned

from .._connection.open_transaction import OpenTransaction, UniqueViolation
from .column_limits import check_values
from .json_state import conflict, exists

A = TypeVar("A")

Row = Mapping[str, Any]
"""The values of a row, by column."""


@dataclass(frozen=True, slots=True)
class AggregateRows:
    """The rows of one aggregate.

    Attributes:
        root: the row of the root table.
        parts: the rows of each table of parts. Columns that refer to the root may be omitted.
    """

    root: Row
    parts: Mapping[Table, Sequence[Row]] = field(default_factory=dict)


class TableMapping(ABC, Generic[A]):
    """The mapping of an aggregate to your own tables: the tables, and the conversion of the aggregate to rows and back.

        class OrderTables(TableMapping[Order]):
            root, version = orders, orders.c.version
            parts = (order_lines,)

            def to_rows(self, order: Order) -> AggregateRows:
                lines = [{"number": n, "product": line.product} for n, line in enumerate(order.lines, 1)]
                return AggregateRows({"id": order.id, "status": order.status.value}, {order_lines: lines})

            def from_rows(self, rows: AggregateRows) -> Order:
                lines = [Line(row["product"]) for row in rows.parts[order_lines]]
                return Order(rows.root["id"], Status(rows.root["status"]), lines)

        SqlAlchemy(engine, state={Order: OrderTables()})

    The adapter does the rest:

    - It sets the version to 1, and increments it with each save. Every write, of parts too, is guarded by
      `WHERE version = expected`.
    - It does not write an aggregate whose rows did not change.
    - It writes only those rows of parts that differ.

    Class attributes:
        root: the table with one row for each aggregate. Its primary key is one column, the id.
        version: the root's column that counts the saves. `to_rows` omits it.
        parts: tables whose rows belong to one aggregate. Each has one foreign key to the root, and a primary key. Its
            rows are read in the order of the primary key.
    """

    root: ClassVar[Table]
    version: ClassVar[Column[Any]]
    parts: ClassVar[Sequence[Table]] = ()

    @abstractmethod
    def to_rows(self, aggregate: A, /) -> AggregateRows:
        """Return the rows of an aggregate. Equal states return equal rows."""

    @abstractmethod
    def from_rows(self, rows: AggregateRows, /) -> A:
        """Return a new aggregate with these rows."""

    def key(self, id: str) -> Any:
        """Return the value of the primary key for an id. Override it if the value is not a str, an int or a UUID."""
        return key_value(self.root.primary_key.columns[0], id)


def key_value(column: ColumnElement[Any], id: str) -> Any:
    """Return an id as a value of its column, or None if the id is not a valid value."""
    try:
        python_type = column.type.python_type
    except NotImplementedError:
        return id
    try:
        return python_type(id) if python_type in (int, UUID) else id
    except ValueError:
        return None


class Part:
    """A table of parts, with its statements.

    Args:
        table: the table.
        root: the root table.

    Raises:
        ConfigurationError: the table has no primary key, or not exactly one foreign key to the root.
    """

    def __init__(self, table: Table, root: Table) -> None:
        links = [key for key in table.foreign_keys if key.column.table is root]
        if len(links) != 1 or not table.primary_key.columns:
            raise ConfigurationError(
                f"cannot map the table {table.name}: it needs a primary key, and exactly one foreign key to {root.name}."
            )
        self.table = table
        self.owner = owner = links[0].parent
        self.identity = [column.name for column in table.primary_key.columns if column is not owner]
        rest = [column for column in table.columns if column is not owner and column.name not in self.identity]
        mine = owner == bindparam("_owner")
        this = and_(mine, *(table.c[name] == bindparam(f"_{name}") for name in self.identity))
        self.select = select(table).where(mine).order_by(*table.primary_key.columns)
        self.clear = delete(table).where(mine)
        self.insert = insert(table)
        self.delete = delete(table).where(this)
        self.update = update(table).where(this)
        self.rest = [column.name for column in rest]

    def identified(self, row: Row) -> tuple[Any, ...]:
        """Return the values that identify a row within its aggregate."""
        return tuple(row[name] for name in self.identity)


class MappedState(Generic[A]):
    """A mapping with its statements.

    Args:
        aggregate_type: the aggregate type.
        mapping: the user's mapping.

    Raises:
        ConfigurationError: the mapping does not fit its tables.
    """

    def __init__(self, aggregate_type: type[A], mapping: TableMapping[A]) -> None:
        self.mapping = mapping
        self.name = getattr(aggregate_type, "aggregate_name", "") or aggregate_type.__name__
        root = mapping.root
        if len(root.primary_key.columns) != 1 or mapping.version.table is not root:
            raise ConfigurationError(
                f"cannot map {aggregate_type.__qualname__} with {type(mapping).__name__}: the table {root.name} needs a "
                "primary key of one column and the version column."
            )
        self.key = root.primary_key.columns[0]
        self.version = mapping.version
        self.parts = [Part(table, root) for table in mapping.parts]
        this = self.key == bindparam("_key")
        self.load = select(root).where(this)
        self.now = select(self.version).where(this)
        self.insert = insert(root)
        self.update = update(root).where(this, self.version == bindparam("_expected"))
        self.delete = delete(root).where(this, self.version == bindparam("_expected"))

    def open(self, transaction: OpenTransaction) -> MappedStateStore[A]:
        """Return the states inside a transaction."""
        return MappedStateStore(self, transaction)


class MappedStateStore(Generic[A]):
    """A `StateStore` in the user's tables inside one transaction."""

    def __init__(self, state: MappedState[A], transaction: OpenTransaction) -> None:
        self._state = state
        self._transaction = transaction
        self._loaded: dict[str, AggregateRows] = {}
        transaction.restore_on_rollback(self._loaded)

    async def load(self, id: str) -> Versioned | None:
        """Return the aggregate and its version, or None."""
        state, key, action = self._state, self._state.mapping.key(id), self._action("load", id)
        found = (await self._transaction.execute(state.load, {"_key": key}, action)).mappings().first()
        if found is None:
            return None
        parts: dict[Table, Sequence[Row]] = {}
        for part in state.parts:
            rows = await self._transaction.execute(part.select, {"_owner": key}, action)
            parts[part.table] = [_named(row) for row in rows.mappings()]
        aggregate = state.mapping.from_rows(AggregateRows(_named(found), parts))
        self._loaded[id] = state.mapping.to_rows(aggregate)
        return Versioned(aggregate, found[state.version.name])

    async def version(self, id: str) -> int | None:
        """Return the stored version, or None."""
        values = {"_key": self._state.mapping.key(id)}
        found: int | None = (
            await self._transaction.execute(self._state.now, values, self._action("load", id))
        ).scalar()
        return found

    async def insert(self, id: str, aggregate: A) -> None:
        """Store a new aggregate as version 1."""
        state, action, rows = self._state, self._action("add", id), self._state.mapping.to_rows(aggregate)
        self._transaction.check_writable(action)
        self._check(id, rows)
        try:
            await self._transaction.execute(state.insert, {**rows.root, state.version.name: 1}, action)
        except UniqueViolation as violation:
            # Several constraints may be violated, and the database names only one of them.
            taken = await self._transaction.read_after_violation(state.now, {"_key": state.mapping.key(id)})
            if taken is not None or violation.columns in (f"{state.key.table.name}.{state.key.name}", "PRIMARY"):
                raise exists(f"{state.name}-{id}") from violation.__cause__
            raise violation.as_error(action) from violation.__cause__
        await self._write_parts(id, AggregateRows(rows.root), rows, action)
        self._loaded[id] = rows

    async def update(self, id: str, aggregate: A, *, expected: int) -> None:
        """Store the aggregate as the next version, if its rows differ from the loaded rows."""
        state, action, rows = self._state, self._action("save", id), self._state.mapping.to_rows(aggregate)
        before = self._loaded.get(id)
        if before is not None and _same(before, rows):
            return
        self._check(id, rows)
        await self._guarded(state.update, id, expected, {**rows.root, state.version.name: expected + 1}, action)
        if before is None:
            for part in state.parts:
                await self._transaction.execute(part.clear, {"_owner": state.mapping.key(id)}, action)
            before = AggregateRows(rows.root)
        await self._write_parts(id, before, rows, action)
        self._loaded[id] = rows

    async def delete(self, id: str, aggregate: A, *, expected: int) -> None:
        """Delete the aggregate. Increment the version first, which detects conflicts, then delete the parts and the root."""
        state, action = self._state, self._action("delete", id)
        await self._guarded(state.update, id, expected, {state.version.name: expected + 1}, action)
        for part in state.parts:
            await self._transaction.execute(part.clear, {"_owner": state.mapping.key(id)}, action)
        await self._guarded(state.delete, id, expected + 1, {}, action)
        self._loaded.pop(id, None)

    def _check(self, id: str, rows: AggregateRows) -> None:
        """Check that the tables keep every value.

        Raises:
            NotStorable: a table would change a value.
        """
        name, dialect = f"{self._state.name}-{id}", self._transaction.connection.dialect
        tables = [(self._state.key.table, rows.root)]
        tables += [(table, row) for table, found in rows.parts.items() for row in found]
        try:
            for table, values in tables:
                check_values(name, table.c, values, dialect)
        except NotStorable as error:
            self._transaction.doom(error)
            raise

    async def _guarded(self, statement: Any, id: str, expected: int, values: Row, action: str) -> None:
        self._transaction.check_writable(action)
        guard = {"_key": self._state.mapping.key(id), "_expected": expected}
        try:
            result = await self._transaction.execute(statement, {**values, **guard}, action)
        except UniqueViolation as violation:
            raise violation.as_error(action) from violation.__cause__
        if result.rowcount != 1:
            actual = await self.version(id)
            raise conflict(self._transaction, f"{self._state.name}-{id}", expected=expected, actual=actual)

    async def _write_parts(self, id: str, before: AggregateRows, after: AggregateRows, action: str) -> None:
        owner = self._state.mapping.key(id)
        for part in self._state.parts:
            old = {part.identified(row): row for row in before.parts.get(part.table, ())}
            new = {part.identified(row): row for row in after.parts.get(part.table, ())}
            gone = [{"_owner": owner, **_marked(part, identity)} for identity in old.keys() - new.keys()]
            changed = [
                {**{name: row[name] for name in part.rest if name in row}, "_owner": owner, **_marked(part, identity)}
                for identity, row in new.items()
                if identity in old and dict(old[identity]) != dict(row)
            ]
            added = [{**row, part.owner.name: owner} for identity, row in new.items() if identity not in old]
            try:
                for statement, rows in ((part.delete, gone), (part.update, changed), (part.insert, added)):
                    if rows:
                        await self._transaction.execute(statement, rows, action)
            except UniqueViolation as violation:
                raise violation.as_error(action) from violation.__cause__

    def _action(self, what: str, id: str) -> str:
        return f"{what} {self._state.name}-{id}"


def _named(row: RowMapping) -> Row:
    return {str(name): value for name, value in row.items()}


def _marked(part: Part, identity: tuple[Any, ...]) -> dict[str, Any]:
    return {f"_{name}": value for name, value in zip(part.identity, identity, strict=True)}


def _same(before: AggregateRows, after: AggregateRows) -> bool:
    if dict(before.root) != dict(after.root):
        return False
    tables = before.parts.keys() | after.parts.keys()
    return all(
        [dict(row) for row in before.parts.get(table, ())] == [dict(row) for row in after.parts.get(table, ())]
        for table in tables
    )
