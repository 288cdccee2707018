"""A row that does not fit its view affects only itself, is named by `health`, and is replaced by a rebuild."""

from __future__ import annotations

import pytest

from twofold import Application, Command, Event, Keyset, Page, Query, ReadModel, UnitOfWork, View, on
from twofold.errors import UnreadableRow
from twofold.ports import Position, RowChange, WriteStore
from twofold.testing.conformance._tools.opened import writing
from twofold.testing.conformance._tools.problems import problems_of


class Counted(Event, name="unreadable.counted"):
    id: str
    count: int


class Count(Command[None]):
    events: tuple[Counted, ...]


class Loose(View, name="unreadable_count", key="id"):
    """The rows of an older release."""

    id: str
    counts: dict[str, str]


class Strict(View, name="unreadable_count", key="id"):
    """The rows of this release."""

    id: str
    counts: dict[str, int]


class Find(Query[tuple[object, ...]]):
    skip: bool = False
    page: Page | Keyset | None = None


class Get(Query[dict[str, int]]):
    id: str


@pytest.fixture
def app(store: WriteStore) -> Application:
    """Give an application that counts, one row for each event."""
    return counting(store)


def counting(store: WriteStore) -> Application:
    """Return an application that counts, one row for each event."""
    app = Application("unreadable", write=store)

    @app.command_handler(Count)
    async def count(command: Count, unit: UnitOfWork) -> None:
        for event in command.events:
            unit.record(event)

    @app.projection("counts")
    class Counts:
        def __init__(self, rows: ReadModel[Strict]) -> None:
            self.rows = rows

        @on(Counted)
        async def counted(self, event: Counted) -> None:
            await self.rows.put(Strict(id=event.id, counts={"n": event.count}))

    @app.query_handler(Find)
    async def find(query: Find, rows: ReadModel[Strict]) -> tuple[object, ...]:
        found = await rows.find(order_by="id", page=query.page, skip_unreadable=query.skip)
        return tuple(row.id for row in found.items), found.unreadable

    @app.query_handler(Get)
    async def get(query: Get, rows: ReadModel[Strict]) -> dict[str, int]:
        row = await rows.get(query.id)
        return row.counts if row is not None else {}

    return app


async def damage(app: Application) -> None:
    """Replace the row "b" by a row of an older release."""
    await app.dispatch(Count(events=tuple(Counted(id=key, count=1) for key in "abc")))
    await app.settle()
    async with writing(app.write) as transaction:
        row = Loose(id="b", counts={"n": "many"})
        await transaction.rows(Loose).write([RowChange("b", row, Position(3))])


async def test_find_names_the_row_or_leaves_it_out(app: Application) -> None:
    """`find` raises an error with the key of the row. With `skip_unreadable` it returns the other rows and the key."""
    await app.create_schema()
    async with app:
        await damage(app)
        with pytest.raises(UnreadableRow, match="Strict with the key 'b'") as caught:
            await app.execute(Find())
        assert caught.value.key == "b"
        for page in (None, Page(), Keyset(size=5)):
            assert await app.execute(Find(skip=True, page=page)) == (("a", "c"), ("b",))
        assert await app.execute(Get(id="a")) == {"n": 1}
        with pytest.raises(UnreadableRow):
            await app.execute(Get(id="b"))


async def test_health_names_the_row_until_a_rebuild(app: Application) -> None:
    """`health` names a row that could not be read. A rebuild replaces it, and `health` is well again."""
    await app.create_schema()
    async with app:
        await damage(app)
        assert (await app.health()).healthy
        with pytest.raises(UnreadableRow):
            await app.execute(Find())
        found = await problems_of(app)
        said = "unreadable_count has an unreadable row: cannot read the row of Strict with the key 'b'"
        assert [problem.startswith(said) for problem in found] == [True]
        await app.operations.rebuild("counts")
        assert await app.execute(Find()) == (("a", "b", "c"), ())
        assert (await app.health()).healthy
