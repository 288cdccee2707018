"""Aggregates in tables of the user's own, by Core and by ORM, and as JSON."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Numeric, String, Table, event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry, relationship

from twofold import Aggregate
from twofold.errors import AggregateExists, ConcurrencyConflict, ConfigurationError, StorageError
from twofold.ports import StateStore
from twofold_sqlalchemy import AggregateRows, SqlAlchemy, TableMapping

tables = MetaData()
orders = Table(
    "orders",
    tables,
    Column("id", String, primary_key=True),
    Column("number", Integer, unique=True),
    Column("status", String, nullable=False),
    Column("version", Integer, nullable=False),
)
order_lines = Table(
    "order_lines",
    tables,
    Column("order_id", ForeignKey("orders.id"), primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("product", String, nullable=False),
    Column("quantity", Integer, nullable=False),
)


@dataclass
class Line:
    product: str
    quantity: int


class Order(Aggregate, name="order"):
    id: str
    number: int
    status: str
    lines: list[Line]

    def __init__(self, id: str, number: int, *lines: Line, status: str = "new") -> None:
        self.id, self.number, self.status, self.lines = id, number, status, list(lines)


class OrderTables(TableMapping[Order]):
    root, version = orders, orders.c.version
    parts = (order_lines,)

    def to_rows(self, order: Order) -> AggregateRows:
        lines = [
            {"line": number, "product": line.product, "quantity": line.quantity}
            for number, line in enumerate(order.lines, 1)
        ]
        root = {"id": order.id, "number": order.number, "status": order.status}
        return AggregateRows(root, {order_lines: lines})

    def from_rows(self, rows: AggregateRows) -> Order:
        lines = [Line(row["product"], row["quantity"]) for row in rows.parts[order_lines]]
        return Order(rows.root["id"], rows.root["number"], *lines, status=rows.root["status"])


class Counter(Aggregate, name="counter"):
    id: str
    count: int
    tags: list[str]


class Base(DeclarativeBase):
    metadata = tables


class Account(Base, Aggregate, name="account"):
    __tablename__ = "accounts"
    id: Mapped[str] = mapped_column(primary_key=True)
    balance: Mapped[int]
    version: Mapped[int] = mapped_column()
    entries: Mapped[list[Entry]] = relationship(lazy="selectin", cascade="all, delete-orphan")
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Entry(Base):
    __tablename__ = "entries"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    amount: Mapped[int]


class Ticket(Aggregate, name="ticket"):
    id: int
    price: Any


tickets = Table(
    "tickets",
    tables,
    Column("id", Integer, primary_key=True),
    Column("price", Numeric(10, 2)),
    Column("revision", Integer, nullable=False),
)
mappings = registry(metadata=tables)
mappings.map_imperatively(Ticket, tickets, version_id_col=tickets.c.revision)


class Loose(Base, Aggregate, name="loose"):
    __tablename__ = "loose"
    id: Mapped[str] = mapped_column(primary_key=True)


@pytest.fixture
async def store(engine: AsyncEngine) -> SqlAlchemy:
    """A store beside the tables of the user."""
    store = SqlAlchemy(engine, state={Order: OrderTables()})
    await store.create_schema([])
    async with engine.begin() as connection:
        await connection.run_sync(tables.create_all)
    return store


def make(kind: Any, id: str) -> Any:
    """Return a new aggregate."""
    if kind is Order:
        return Order(id, int(id), Line("tea", 2), Line("jam", 1))
    if kind is Account:
        return Account(id=id, balance=0, entries=[Entry(amount=5)])
    aggregate = kind.__new__(kind)
    if kind is Ticket:
        aggregate.id, aggregate.price = int(id), 5
    else:
        aggregate.id, aggregate.count, aggregate.tags = id, 0, ["a"]
    return aggregate


def change(aggregate: Any) -> None:
    """Change an aggregate and, where it has some, its parts."""
    if isinstance(aggregate, Order):
        aggregate.status += "+"
        aggregate.lines = [aggregate.lines[-1], Line("rye", 7), Line("oil", 1)]
    elif isinstance(aggregate, Account):
        aggregate.balance += 1
        aggregate.entries.append(Entry(amount=7))
    elif isinstance(aggregate, Ticket):
        aggregate.price += 1
    else:
        aggregate.tags.append("b")


def content(aggregate: Any) -> object:
    """Return the compared data."""
    match aggregate:
        case Order():
            return aggregate.status, aggregate.lines
        case Account():
            return aggregate.balance, [entry.amount for entry in aggregate.entries]
        case Ticket():
            return aggregate.price
        case _:
            return aggregate.tags


KINDS = pytest.mark.parametrize("kind", [Order, Account, Ticket, Counter], ids=lambda kind: kind.__name__)


async def added(store: SqlAlchemy, kind: type[Any], id: str = "1") -> None:
    """Store a new aggregate."""
    transaction = await store.begin()
    await transaction.state(kind).insert(id, make(kind, id))
    await transaction.commit()


@KINDS
async def test_add_change_and_remove(store: SqlAlchemy, kind: type[Any]) -> None:
    """A saved aggregate comes back equal.

    Its version counts the saves. A removed aggregate is deleted with its parts.
    """
    await added(store, kind)
    transaction = await store.begin()
    state: StateStore[Any] = transaction.state(kind)
    found = await state.load("1")
    assert found is not None
    assert found.version == 1
    assert await state.load("2") is None
    change(found.aggregate)
    wanted = content(found.aggregate)
    await state.update("1", found.aggregate, expected=1)
    await transaction.commit()

    transaction = await store.begin()
    state = transaction.state(kind)
    again = await state.load("1")
    assert again is not None
    assert (again.version, content(again.aggregate)) == (2, wanted)
    await state.delete("1", again.aggregate, expected=2)
    assert await state.version("1") is None
    await transaction.commit()

    transaction = await store.begin(read_only=True)
    assert await transaction.state(kind).load("1") is None
    await transaction.rollback()


@KINDS
async def test_an_unchanged_aggregate_is_not_written(store: SqlAlchemy, engine: AsyncEngine, kind: type[Any]) -> None:
    """Loading and saving sends no write and leaves the version."""
    await added(store, kind)
    transaction = await store.begin()
    state: StateStore[Any] = transaction.state(kind)
    found = await state.load("1")
    assert found is not None
    sent: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))

    await state.update("1", found.aggregate, expected=1)
    await transaction.commit()

    assert sent == []


@KINDS
async def test_the_second_of_two_writers_conflicts(store: SqlAlchemy, kind: type[Any]) -> None:
    """It carries the version that was found, and only a rollback is left."""
    await added(store, kind)
    late = await store.begin(read_only=True)
    stale = await late.state(kind).load("1")
    assert stale is not None
    await late.rollback()
    transaction = await store.begin()
    fresh = await transaction.state(kind).load("1")
    assert fresh is not None
    change(fresh.aggregate)
    await transaction.state(kind).update("1", fresh.aggregate, expected=1)
    await transaction.commit()

    transaction = await store.begin()
    with pytest.raises(ConcurrencyConflict, match="expected version 1, found 2"):
        await transaction.state(kind).update("1", make(kind, "1"), expected=1)
    await transaction.rollback()


@KINDS
async def test_an_id_that_is_taken(store: SqlAlchemy, kind: type[Any]) -> None:
    """Adding an existing id raises `AggregateExists` and not an error of the driver."""
    await added(store, kind)
    transaction = await store.begin()

    with pytest.raises(AggregateExists):
        await transaction.state(kind).insert("1", make(kind, "1"))

    await transaction.rollback()


async def test_another_unique_column_is_not_mistaken_for_the_id(store: SqlAlchemy) -> None:
    """A number that is taken is a broken constraint, and the error names the column."""
    await added(store, Order)
    transaction = await store.begin()

    with pytest.raises(StorageError, match=r"orders\.number") as caught:
        await transaction.state(Order).insert("2", Order("2", make(Order, "1").number))

    assert not isinstance(caught.value, AggregateExists)
    await transaction.rollback()


async def test_only_the_lines_that_differ_are_written(store: SqlAlchemy, engine: AsyncEngine) -> None:
    """A new line of three is one insert beside the guarded update of the root."""
    await added(store, Order)
    transaction = await store.begin()
    found = await transaction.state(Order).load("1")
    assert found is not None
    assert isinstance(found.aggregate, Order)
    found.aggregate.lines.append(Line("rye", 1))
    sent: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[2].split()[0]))

    await transaction.state(Order).update("1", found.aggregate, expected=1)
    await transaction.commit()

    assert sent == ["UPDATE", "INSERT"]


async def test_an_undone_savepoint_is_not_taken_for_saved(store: SqlAlchemy) -> None:
    """Changes of an undone savepoint are saved again afterwards."""
    await added(store, Counter)
    transaction = await store.begin()
    state = transaction.state(Counter)
    found = await state.load("1")
    assert found is not None
    assert isinstance(found.aggregate, Counter)
    found.aggregate.count = 5
    with suppress(ZeroDivisionError):
        async with transaction.savepoint():
            await state.update("1", found.aggregate, expected=1)
            raise ZeroDivisionError
    await state.update("1", found.aggregate, expected=1)
    await transaction.commit()

    transaction = await store.begin(read_only=True)
    again = await transaction.state(Counter).load("1")
    await transaction.rollback()
    assert again is not None
    assert isinstance(again.aggregate, Counter)
    assert (again.version, again.aggregate.count) == (2, 5)


async def test_the_check_reports_aggregates_that_cannot_be_stored(engine: AsyncEngine) -> None:
    """A mapped class without a version, and a class without annotated state."""

    class Bare(Aggregate, name="bare"):
        pass

    store = SqlAlchemy(engine, state={Order: OrderTables()})

    assert [store.missing_state(kind) for kind in (Order, Account, Ticket, Counter)] == [None] * 4
    assert "version_id_col" in (store.missing_state(Loose) or "")
    assert "annotates no attribute" in (store.missing_state(Bare) or "")


async def test_a_mapping_that_does_not_fit_its_tables(engine: AsyncEngine) -> None:
    """A part needs a foreign key to the root."""

    class Wrong(OrderTables):
        parts = (tickets,)

    with pytest.raises(ConfigurationError, match="one foreign key to orders"):
        SqlAlchemy(engine, state={Order: Wrong()})
