"""Schedule entries whose times were damaged in the database by another program."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from twofold.testing.conformance._applications.scheduling import settled, started
from twofold.testing.conformance._domain.reminders import Remind, reminded, reminders
from twofold.testing.conformance._tools.dial import Dial
from twofold.testing.conformance._tools.problems import problems_of
from twofold_sqlalchemy import SqlAlchemy

TIMES = {
    "postgresql": ["infinity", "-infinity", "4713-01-01 00:00:00+00 BC", "294276-12-31 00:00:00+00"],
    "mysql": ["9999-12-31 23:59:59"],
}


@pytest.mark.parametrize(("server", "value"), [(server, value) for server, values in TIMES.items() for value in values])
@pytest.mark.parametrize("column", ["again", "due"])
async def test_a_time_out_of_range_is_stuck_alone(
    server: str, value: str, column: str, request: pytest.FixtureRequest
) -> None:
    """A time that only the server can represent does not hide other entries. Health names its entry, if it is not due."""
    engine = create_async_engine(request.getfixturevalue(f"new_{server}_url")())
    store, dial = SqlAlchemy(engine), Dial()
    await store.create_schema([])
    async with started(reminders(store, clock=dial, work=False)) as app:
        for note in ("odd", "good"):
            await app.session().schedule(Remind(note=note), at=dial.after(0), id=note)
    async with engine.begin() as connection:
        await connection.execute(text(f"UPDATE twofold_schedule SET {column} = '{value}' WHERE id = 'odd'"))
    async with started(reminders(store, clock=dial)) as app:
        await settled(app)
        if column == "due":
            assert sorted(await reminded(store)) == ["good", "odd"]
        else:
            assert await reminded(store) == ["good"]
            stuck = await app.operations.stuck()
            assert [each.id for each in stuck] == ["odd"]
            assert ["'odd'" in each and "cannot be read" in each for each in await problems_of(app)] == [True]
            assert await app.operations.retry_scheduled(stuck[0])
            await settled(app)
            assert await reminded(store) == ["good", "odd"]
    await engine.dispose()


@pytest.mark.parametrize("value", ["soon", "0000-00-00T00:00:00Z", "2024-01-01", ""])
async def test_a_damaged_time_is_stuck_alone(store: SqlAlchemy, engine: AsyncEngine, value: str) -> None:
    """The entry is reported. Other entries are dispatched."""
    dial = Dial()
    async with started(reminders(store, clock=dial, work=False)) as app:
        for note in ("odd", "good"):
            await app.session().schedule(Remind(note=note), at=dial.after(0), id=note)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE twofold_schedule SET again = :value WHERE id = 'odd'"), {"value": value})
    async with started(reminders(store, clock=dial)) as app:
        await settled(app)
        assert await reminded(store) == ["good"]
        assert [each.id for each in await app.operations.stuck()] == ["odd"]
        assert any("cannot be read" in each for each in await problems_of(app))
