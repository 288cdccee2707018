"""Indexes that were added to a view after its table was created, and views of other stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from twofold import Application, Command, Event, ReadModel, UnitOfWork, View, on
from twofold.errors import SchemaMissing
from twofold.ports import ReadStore
from twofold_memory import InMemory
from twofold_sqlalchemy import SqlAlchemy


class Seated(Event, name="indexes.seated"):
    number: int
    row: str


class Seat(Command[None]):
    number: int
    row: str


class OldPlace(View, name="place", key="number", indexes=["price"]):
    number: int
    row: int
    price: int = 0


class Place(View, name="place", key="number", indexes=["row", ("row", "number")]):
    number: int
    row: int
    price: int = 0


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """An engine on an empty database of each kind."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    if request.param != "sqlite":
        name = "mysql" if request.param == "mariadb" else request.param
        url = request.getfixturevalue(f"{name}_url")
    engine = create_async_engine(url)
    yield engine
    await engine.dispose()


async def indexes(engine: AsyncEngine, table: str) -> set[str]:
    """Return the names of a table's indexes."""
    async with engine.connect() as connection:
        found = await connection.run_sync(lambda sync: inspect(sync).get_indexes(table))
    return {str(each["name"]) for each in found}


def application(store: SqlAlchemy, view: type[OldPlace | Place], read: ReadStore | None = None) -> Application:
    """Return an application that writes the rows of one of the views."""
    app = Application("indexes", write=store, read=read)

    @app.command_handler(Seat)
    async def seat(command: Seat, unit: UnitOfWork) -> None:
        unit.record(Seated(number=command.number, row=command.row))

    class Places:
        def __init__(self, places: ReadModel[view]) -> None:  # type: ignore[valid-type]  # pyright: ignore[reportInvalidTypeForm]  # chosen by the test
            self.places = places

        @on(Seated)
        async def seated(self, event: Seated) -> None:
            await self.places.put(view(number=event.number, row=int(event.row)))

    app.projection("places")(Places)
    return app


async def test_an_index_that_was_added_is_demanded_and_made(engine: AsyncEngine) -> None:
    """The start names it, `create_schema` makes it and drops none, and a rebuild keeps it."""
    store = SqlAlchemy(engine)
    old = application(store, OldPlace)
    await old.create_schema()
    async with old:
        await old.dispatch(Seat(number=1, row="7"))
        await old.settle()
    new = application(SqlAlchemy(engine), Place)

    with pytest.raises(
        SchemaMissing, match=r"place lacks the index ix_place__row;.*ix_place__row__number.*create_schema"
    ):
        async with new:
            pass
    await new.create_schema()
    async with new:
        await new.operations.rebuild("places")
    await new.create_schema()

    assert await indexes(engine, "place") == {"ix_place__price", "ix_place__row", "ix_place__row__number"}
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT number FROM place"))).scalars().all() == [1]


async def test_rows_that_are_read_elsewhere_have_no_table_here(engine: AsyncEngine) -> None:
    """With another read store, the write store makes and checks no tables of views."""
    app = application(SqlAlchemy(engine), Place, read=InMemory())
    await app.create_schema()

    async with app:
        await app.dispatch(Seat(number=1, row="7"))
        await app.settle()

    async with engine.connect() as connection:
        assert "place" not in await connection.run_sync(lambda sync: inspect(sync).get_table_names())
