"""Snapshots: they reduce the number of events to read and change nothing else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from twofold import Aggregate, Application, Command, Event, Repository, on
from twofold.errors import AggregateNotFound, ConcurrencyConflict
from twofold.ports import NewEvent, Snapshot, WriteStore

from .._tools.opened import NewStore, reading, undone, writing

EVERY = 5
"""The number of events after which a snapshot is stored."""


class Turned(Event, name="suite.turned"):
    """The meter was turned by a number."""

    meter_id: str
    by: int


class Turn(Command[tuple[int, int]]):
    """Turns the meter several times, with one event each time. Returns the sum and the number of events."""

    meter_id: str
    by: tuple[int, ...]


class Remove(Command[None]):
    """Removes the meter."""

    meter_id: str


class Meter(Aggregate, name="meter", snapshot_every=EVERY):
    """Adds up the numbers and counts the events."""

    id: str
    total: int
    exact: Decimal
    turns: int

    @on(Turned)
    def _turned(self, event: Turned) -> None:
        self.id = event.meter_id
        self.total = getattr(self, "total", 0) + event.by
        self.exact = Decimal(self.total) / 8
        self.turns = getattr(self, "turns", 0) + 1


def meters(store: WriteStore) -> Application:
    """Return an application of event-sourced meters."""
    app = Application("meters", write=store, event_sourced=[Meter])

    @app.command_handler(Turn)
    async def turn(command: Turn, meters: Repository[Meter]) -> tuple[int, int]:
        meter = await meters.find(command.meter_id)
        for by in command.by:
            event = Turned(meter_id=command.meter_id, by=by)
            if meter is None:
                meter = Meter.begin(event)
                await meters.add(meter)
            else:
                meter.record(event)
        return (meter.total, meter.turns) if meter else (0, 0)

    @app.command_handler(Remove)
    async def remove(command: Remove, meters: Repository[Meter]) -> None:
        await meters.remove(await meters.get(command.meter_id))

    return app


async def kept(store: WriteStore, stream: str = "meter-a") -> Snapshot | None:
    """Return the committed snapshot."""
    async with reading(store) as transaction:
        return await transaction.snapshots.get(stream)


async def keep(store: WriteStore, snapshot: Snapshot, stream: str = "meter-a") -> None:
    """Commit a snapshot."""
    async with writing(store) as transaction:
        await transaction.snapshots.put(stream, snapshot)


class SnapshotSuite:
    """The promises of every write store about snapshots. Needs the fixture `new_store`."""

    async def test_a_snapshot_survives(self, new_store: NewStore) -> None:
        """A snapshot is returned unchanged, for its own stream only. A new stream has no snapshot."""
        async with new_store([]) as store:
            assert await kept(store) is None
            snapshot = Snapshot(7, 3, '{"text":"Grüße 🚲"}')
            await keep(store, snapshot)
            await keep(store, Snapshot(1, 1, "{}"), "meter-b")
            assert await kept(store) == snapshot
            assert await kept(store, "meter-b") == Snapshot(1, 1, "{}")

    async def test_an_older_one_does_not_replace_a_newer(self, new_store: NewStore) -> None:
        """The snapshot with the highest version stays, in any order of arrival. One of the same version is replaced."""
        async with new_store([]) as store:
            for version, data in ((5, "[1]"), (10, "[2]"), (5, "[3]"), (10, "[4]")):
                await keep(store, Snapshot(version, 1, data))
            assert await kept(store) == Snapshot(10, 1, "[4]")

    async def test_a_rollback_keeps_none(self, new_store: NewStore) -> None:
        """A rollback also undoes the snapshot."""
        async with new_store([]) as store:
            async with undone(store) as transaction:
                await transaction.snapshots.put("meter-a", Snapshot(1, 1, "{}"))
                assert await transaction.snapshots.get("meter-a") == Snapshot(1, 1, "{}")
            assert await kept(store) is None

    async def test_a_loaded_aggregate_is_the_same(self, new_store: NewStore) -> None:
        """Loading an aggregate with a snapshot or from all events gives equal aggregates, for every number of events."""
        async with new_store([]) as store, meters(store) as app:
            total = turns = 0
            for number in range(3 * EVERY + 2):
                total, turns = total + number, turns + 1
                assert await app.dispatch(Turn(meter_id="a", by=(number,))) == (total, turns)
            found = await kept(store)
            assert found is not None
            assert found.version == 3 * EVERY

    async def test_one_command_crosses_several(self, new_store: NewStore) -> None:
        """One command can record more events than the interval of snapshots.

        The snapshot then contains its last event.
        """
        async with new_store([]) as store, meters(store) as app:
            await app.dispatch(Turn(meter_id="a", by=tuple(range(2 * EVERY + 3))))
            found = await kept(store)
            assert found is not None
            assert found.version == 2 * EVERY + 3
            assert await app.dispatch(Turn(meter_id="a", by=(1,))) == (sum(range(2 * EVERY + 3)) + 1, 2 * EVERY + 4)

    @pytest.mark.parametrize("broken", ["another snapshot_version", "not readable", "older"])
    async def test_an_unusable_snapshot_is_ignored(self, new_store: NewStore, broken: str) -> None:
        """An undecodable snapshot, or one with another `snapshot_version`, is ignored.

        After an older snapshot, more events are read.
        """
        async with new_store([]) as store, meters(store) as app:
            await app.dispatch(Turn(meter_id="a", by=(1,) * EVERY))
            found = await kept(store)
            assert found is not None
            wrong: dict[str, Any] = {
                "another snapshot_version": found._replace(
                    version=99, snapshot_version=found.snapshot_version + 1, data='{"id":"a","total":-1,"turns":-1}'
                ),
                "not readable": found._replace(data='{"total":"no number"}'),
                "older": found,
            }
            await keep(store, wrong[broken])
            assert await app.dispatch(Turn(meter_id="a", by=(1, 1))) == (EVERY + 2, EVERY + 2)

    async def test_a_conflict_keeps_none(self, new_store: NewStore) -> None:
        """A snapshot is not stored if the append of its transaction conflicts."""
        async with new_store([]) as store, meters(store) as app:
            await app.dispatch(Turn(meter_id="a", by=(1,) * (2 * EVERY - 1)))
            before = await kept(store)
            async with undone(store) as transaction:
                loaded = [event async for event in transaction.log.read("meter-a")]
                await transaction.snapshots.put("meter-a", Snapshot(2 * EVERY, 1, "{}"))
                with pytest.raises(ConcurrencyConflict):
                    await transaction.log.append("meter-a", [NewEvent(*loaded[-1][:6])], expected=len(loaded) - 1)
            assert await kept(store) == before

    async def test_a_removed_aggregate_stays_removed(self, new_store: NewStore) -> None:
        """A snapshot does not restore a removed aggregate."""
        async with new_store([]) as store, meters(store) as app:
            await app.dispatch(Turn(meter_id="a", by=(1,) * EVERY))
            await app.dispatch(Remove(meter_id="a"))
            with pytest.raises(AggregateNotFound):
                await app.dispatch(Remove(meter_id="a"))
