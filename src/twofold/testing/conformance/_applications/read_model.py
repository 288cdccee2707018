"""Read models in an application: projections write rows, and queries find them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from uuid import UUID

import pytest
from pydantic import Field

from twofold._application.application import Application
from twofold._definitions.message import Command, Event, Query
from twofold._definitions.on import on
from twofold._reading.comparisons import any_of, ge, gt, le, lt, ne, one_of
from twofold._reading.pages import Keyset, Page, Rows
from twofold._reading.read_model import ReadModel
from twofold._writing.unit_of_work import UnitOfWork
from twofold.errors import InvalidFind, InvalidKey, ReadOnlyUnitOfWork, RowNotFound
from twofold.ports import WriteStore

from .._domain.client_values import EQUAL, REFUSED
from .._domain.row_samples import Task, ids
from .._tools.beside import stores_of
from .._tools.capabilities import Capabilities
from .._tools.opened import NewStore


class TaskFiled(Event, name="conformance.task_filed"):
    """A task shall be stored."""

    id: str
    team: str = "a"
    rank: int = 0


class TaskRanked(Event, name="conformance.task_ranked"):
    """The rank of a task shall be changed."""

    id: str
    rank: int


class TaskDropped(Event, name="conformance.task_dropped"):
    """A task shall be deleted."""

    id: str


class TeamCounted(Event, name="conformance.team_counted"):
    """A task shall be stored with the size of its team as its rank."""

    id: str
    team: str


Change: TypeAlias = TaskFiled | TaskRanked | TaskDropped | TeamCounted


class Record(Command[None]):
    """Record several events in one unit of work."""

    events: tuple[Change, ...]


class Find(Query[Rows[Task]]):
    """Return the tasks that match."""

    where: dict[str, Any] = Field(default_factory=dict)
    order_by: str | tuple[str, ...] = ()
    page: Page | Keyset | None = None


class Get(Query["Task | None"]):
    """Return a task."""

    key: Any


class CountTasks(Query[int]):
    """Return the number of tasks."""

    where: dict[str, Any] = Field(default_factory=dict)


class Write(Query[None]):
    """Write in a read-only place."""


class Tasks:
    """Applies the events to the rows."""

    def __init__(self, tasks: ReadModel[Task]) -> None:
        self.tasks = tasks

    @on(TaskFiled)
    async def filed(self, event: TaskFiled) -> None:
        await self.tasks.put(Task(id=event.id, team=event.team, rank=event.rank))

    @on(TaskRanked)
    async def ranked(self, event: TaskRanked) -> None:
        await self.tasks.update(event.id, rank=event.rank)

    @on(TaskDropped)
    async def dropped(self, event: TaskDropped) -> None:
        await self.tasks.delete(event.id)

    @on(TeamCounted)
    async def counted(self, event: TeamCounted) -> None:
        number = await self.tasks.count({"team": event.team})
        found = await self.tasks.find({"team": event.team})
        assert len(found.items) == number
        await self.tasks.put(Task(id=event.id, team="counts", rank=number))


def application(store: WriteStore) -> Application:
    """Return an application with a read model of tasks."""
    stores = stores_of(store)
    app = Application("conformance", **stores)

    @app.command_handler(Record)
    async def recorded(command: Record, unit: UnitOfWork) -> None:
        for event in command.events:
            unit.record(event, stream="tasks")

    app.projection("tasks", mode="inline" if stores["read"] is None else "async")(Tasks)

    @app.query_handler(Find, reads="tasks")
    async def find(query: Find, tasks: ReadModel[Task]) -> Rows[Task]:
        return await tasks.find(query.where, order_by=query.order_by, page=query.page)

    @app.query_handler(Get, reads="tasks")
    async def get(query: Get, tasks: ReadModel[Task]) -> Task | None:
        found = await tasks.get(query.key)
        assert await tasks.get_many([query.key, "nobody"]) == ({} if found is None else {query.key: found})
        return found

    @app.query_handler(CountTasks, reads="tasks")
    async def count(query: CountTasks, tasks: ReadModel[Task]) -> int:
        return await tasks.count(query.where)

    @app.query_handler(Write)
    async def write(query: Write, tasks: ReadModel[Task]) -> None:
        await tasks.put(Task(id="never"))

    return app


@asynccontextmanager
async def running(new_store: NewStore, number: int = 0) -> AsyncIterator[Application]:
    """Run an application with some tasks, two for each rank."""
    async with new_store([Task]) as store, application(store) as app:
        if number:
            filed = (TaskFiled(id=f"{n:02}", team="ab"[n % 2], rank=n // 2) for n in range(number))
            await record(app, *filed)
        yield app


async def record(app: Application, *events: Change) -> None:
    """Record events, and wait until the rows have changed."""
    await app.dispatch(Record(events=events))
    await app.settle()


class ReadModelSuite:
    """The promises of a store to projections and queries. Needs the fixtures `new_store` and `capabilities`."""

    async def test_queries_find_the_rows_of_projections(self, new_store: NewStore) -> None:
        """Projections put, update and delete rows. Queries see the committed rows."""
        async with running(new_store, 4) as app:
            await record(app, TaskRanked(id="01", rank=9), TaskDropped(id="02"), TaskDropped(id="nobody"))
            found = await app.execute(Find())
        assert found == Rows(
            (Task(id="00", team="a"), Task(id="01", team="b", rank=9), Task(id="03", team="b", rank=1))
        )

    async def test_a_projection_sees_its_own_writes(self, new_store: NewStore) -> None:
        """Within a projection, `count` and `find` include the changes of the preceding events."""
        async with running(new_store, 2) as app:
            filed = (TaskFiled(id=f"x{n}", team="a") for n in range(3))
            counted = TeamCounted(id="number", team="a")
            await record(app, *filed, TaskDropped(id="00"), counted)
            assert (await app.execute(Find(where={"id": "number"}))).items[0].rank == 3

    async def test_numbered_pages(self, new_store: NewStore) -> None:
        """A numbered page contains the total number of matching rows.

        A page after the last one is empty and has the same total.
        """
        async with running(new_store, 11) as app:
            found: list[object] = []
            for number in range(1, 5):
                page = await app.execute(
                    Find(where={"rank": ge(1)}, order_by="-rank", page=Page(number=number, size=4))
                )
                assert (page.total, page.next) == (9, None)
                found += ids(page.items)
        assert found == ["10", "09", "08", "07", "06", "05", "04", "03", "02"], "the key sorts as the last field does"

    async def test_keyset_pages(self, new_store: NewStore) -> None:
        """A keyset page has a cursor unless it is the last.

        The pages contain each row once, even while rows are added.
        """
        order = ("team", "-rank")
        async with running(new_store, 12) as app:
            whole = ids((await app.execute(Find(order_by=order))).items)
            for size in (1, 2, 3, 4, 6, 11, 12, 13):
                found: list[object] = []
                cursor: str | None = None
                pages = 0
                while pages == 0 or cursor is not None:
                    page = await app.execute(Find(order_by=order, page=Keyset(size=size, after=cursor)))
                    assert page.total is None
                    found += ids(page.items)
                    cursor, pages = page.next, pages + 1
                    await record(app, TaskFiled(id="first", team="a", rank=100 + size + pages))
                assert [key for key in found if key != "first"] == whole
                assert pages in (-(-12 // size), -(-13 // size))
                await record(app, TaskDropped(id="first"))

    async def test_comparisons(self, new_store: NewStore) -> None:
        """Values and comparisons select and count the same rows."""
        async with running(new_store, 8) as app:
            cases: list[tuple[dict[str, Any], list[str]]] = [
                ({}, ["00", "01", "02", "03", "04", "05", "06", "07"]),
                ({"team": "a", "rank": gt(1)}, ["04", "06"]),
                ({"rank": le(0)}, ["00", "01"]),
                ({"rank": lt(0)}, []),
                ({"id": one_of(["05", "01", "99"])}, ["01", "05"]),
                ({"id": one_of([])}, []),
                ({"note": None, "rank": 3}, ["06", "07"]),
                ({"rank": "3"}, ["06", "07"]),
                ({"rank": ne(0), "team": ne("b")}, ["02", "04", "06"]),
                ({"note": ne(None)}, []),
                ({"note": ne("x"), "rank": 3}, ["06", "07"]),
                ({"rank": any_of(gt(2), one_of([0, "1"]))}, ["00", "01", "02", "03", "06", "07"]),
                ({"rank": any_of(any_of(0, gt(2)), any_of(lt(0))), "team": "a"}, ["00", "06"]),
                ({"score": any_of(gt(5), None), "rank": any_of(3)}, ["06", "07"]),
                ({"id": any_of(one_of([]))}, []),
            ]
            for where, expected in cases:
                assert ids((await app.execute(Find(where=where))).items) == expected, where
                assert await app.execute(CountTasks(where=where)) == len(expected), where

    async def test_an_update_needs_its_row(self, new_store: NewStore, capabilities: Capabilities) -> None:
        """Updating a missing or deleted row fails the command, and rolls it back."""
        if not capabilities.inline:
            pytest.skip("rows and events are in two stores")
        async with running(new_store, 2) as app:
            before = await app.execute(Find())
            refused: tuple[tuple[TaskFiled | TaskRanked | TaskDropped, ...], ...] = (
                (TaskFiled(id="new"), TaskRanked(id="nobody", rank=1)),
                (TaskDropped(id="00"), TaskRanked(id="00", rank=1)),
            )
            for events in refused:
                with pytest.raises(RowNotFound):
                    await record(app, *events)
            assert await app.execute(Find()) == before

    async def test_an_impossible_find_is_refused(self, new_store: NewStore) -> None:
        """Unknown fields, unfit values, an optional field as the order, and impossible pages raise errors."""
        async with running(new_store, 4) as app:
            cursor = (await app.execute(Find(order_by="rank", page=Keyset(size=1)))).next
            assert cursor is not None
            refused = (
                Find(where={"colour_of_hair": 1}),
                Find(where={"rank": "many"}),
                Find(where={"rank": gt(None)}),
                Find(where={"rank": any_of(1, "many")}),
                Find(where={"score": any_of(None, lt(None))}),
                Find(where={"rank": ne(None)}),
                Find(where={"rank": gt(gt(1))}),
                Find(order_by="nothing"),
                Find(order_by="-score"),
                Find(order_by="-rank", page=Keyset(size=1, after=cursor)),
                Find(order_by=("team", "rank"), page=Keyset(size=1, after=cursor)),
                Find(page=Keyset(size=1, after="rubbish")),
                Find(page=Keyset(size=1, after="é")),
            )
            for query in refused:
                with pytest.raises(InvalidFind):
                    await app.execute(query)
            with pytest.raises(InvalidFind):
                any_of()
            with pytest.raises(InvalidFind):
                await app.execute(CountTasks(where={"colour_of_hair": 1}))
            found = await app.execute(Find(order_by="rank", page=Keyset(size=1, after=cursor)))
            assert ids(found.items) == ["01"]

    async def test_keys_of_clients(self, new_store: NewStore) -> None:
        """A key is converted to the type of the key field and finds its row, or is refused.

        It never silently fails to match.
        """
        async with running(new_store, 2) as app:
            for key in ("00", b"00"):
                assert await app.execute(Get(key=key)) == Task(id="00")
            assert await app.execute(Get(key="")) is None
            for unknown in (None, 0, 0.0, True, "a\0", "\ud800", "x" * 381, ["00"], UUID(int=0)):
                with pytest.raises(InvalidKey):
                    await app.execute(Get(key=unknown))

    async def test_values_of_clients(self, new_store: NewStore) -> None:
        """A condition finds the rows with an equal value of the field's type.

        A value that no store accepts is refused.
        """
        async with running(new_store, 1) as app:
            for field, values in EQUAL.items():
                for value in values:
                    where = {field: value}
                    assert ids((await app.execute(Find(where=where))).items) == ["00"], f"{field} {value!r}"
                    assert await app.execute(CountTasks(where={field: ne(value)})) == 0, f"{field} {value!r}"
            for field, misfits in REFUSED.items():
                for misfit in misfits:
                    with pytest.raises(InvalidFind):
                        await app.execute(Find(where={field: misfit}))

    async def test_a_query_cannot_write(self, new_store: NewStore) -> None:
        """A query that writes a row is refused."""
        async with running(new_store) as app:
            with pytest.raises(ReadOnlyUnitOfWork):
                await app.execute(Write())
            assert await app.execute(CountTasks()) == 0
