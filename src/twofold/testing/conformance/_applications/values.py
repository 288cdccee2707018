"""Values are stored unchanged, or refused before the commit. All stores accept the same values."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable
from typing import Any

from twofold import Application
from twofold._encoding.round_trip import round_trip_of
from twofold._reading.read_model import ProjectedRows
from twofold.errors import NotStorable
from twofold.ports import Position, ReadStore

from .._domain.value_classes import application, families, row_of
from .._domain.value_samples import Sample, samples
from .._domain.value_ways import accepted, named, same
from .._tools.in_time import until
from .._tools.opened import NewReadStore, NewStore, reading, undone

Way = Callable[[Application, int, Sample], Awaitable[Any]]
"""Stores a sample and returns the value that the store returns."""


class ValuesSuite:
    """The promises of every store about values in events, states, snapshots, scheduled commands and results.

    Needs the fixture `new_store`.
    """

    async def test_an_event_comes_back_or_is_refused(self, new_store: NewStore) -> None:
        """A recorded event is read back equal, or refused."""

        async def store_and_read(app: Application, number: int, sample: Sample) -> Any:
            family = families()[sample.field]
            await app.dispatch(family.write(sample=number, way="event"))
            stored = [each async for each in app.write.log.read(f"sample-{number}")]
            return round_trip_of(family.event).decode(stored[0].data).value

        await _check(new_store, "event", store_and_read)

    async def test_a_state_comes_back_or_is_refused(self, new_store: NewStore) -> None:
        """An aggregate is loaded with the state that was added, or refused."""

        async def store_and_read(app: Application, number: int, sample: Sample) -> Any:
            family = families()[sample.field]
            await app.dispatch(family.write(sample=number, way="state"))
            return await app.dispatch(family.read(sample=number, way="state"))

        await _check(new_store, "state", store_and_read)

    async def test_a_snapshot_comes_back_or_is_left_out(self, new_store: NewStore) -> None:
        """An aggregate is loaded with an equal value, from its snapshot if the value comes back from JSON."""
        async with new_store([]) as store, application(store, {}) as app:
            for number, sample in enumerate(samples()):
                family = families()[sample.field]
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # the warning that no snapshot is stored
                    await app.dispatch(family.write(sample=number, way="snapshot"))
                async with reading(store) as transaction:
                    kept = await transaction.snapshots.get(f"{family.snapshot.aggregate_name}-{number}")
                assert (kept is not None) is accepted(sample, "snapshot"), named(sample)
                found = await app.dispatch(family.read(sample=number, way="snapshot"))
                assert same(found, sample.value), f"{named(sample)} came back as {found!r:.200}"

    async def test_a_scheduled_command_comes_back_or_is_refused(self, new_store: NewStore) -> None:
        """A scheduled command is dispatched with equal fields, or refused."""
        arrived: dict[int, Any] = {}

        async def store_and_read(app: Application, number: int, sample: Sample) -> Any:
            await app.dispatch(families()[sample.field].write(sample=number, way="command"))
            await until(lambda: number in arrived)
            return arrived[number]

        await _check(new_store, "command", store_and_read, arrived)

    async def test_a_result_comes_back_or_is_refused(self, new_store: NewStore) -> None:
        """A repeated command returns a result equal to the first one, or the result is refused."""

        async def store_and_read(app: Application, number: int, sample: Sample) -> Any:
            command = families()[sample.field].answer(sample=number)
            await app.dispatch(command, idempotency_key=f"key {number}")
            return await app.dispatch(command, idempotency_key=f"key {number}")

        await _check(new_store, "result", store_and_read)


class RowValuesSuite:
    """The promises of every store about values in rows. Needs the fixture `new_store`."""

    async def test_a_row_comes_back_or_is_refused(self, new_store: NewReadStore) -> None:
        """A row is read back with equal values, and with times in UTC, or refused."""
        async with new_store([family.row for family in families().values()]) as store:
            for number, sample in enumerate(samples()):
                view, expected = families()[sample.field].row, accepted(sample, "row")
                assert await _put(store, view, row_of(families()[sample.field], sample)) is expected, named(sample)
                if expected:
                    async with reading(store) as transaction:
                        found = (await transaction.rows(view).get_many([number]))[number].value
                    assert same(found, sample.value) or found == sample.value, (
                        f"{named(sample)} came back as {found!r:.200}"
                    )


async def _put(store: ReadStore, view: Any, row: Any) -> bool:
    """Put a row; return whether it was accepted."""
    async with undone(store) as transaction:
        rows: ProjectedRows[Any] = ProjectedRows(view, transaction.rows(view))
        rows.position = Position(1)
        try:
            await rows.put(row)
            await rows.flush()
        except NotStorable:
            return False
        await transaction.commit()
        return True


async def _check(new_store: NewStore, way: str, store_and_read: Way, arrived: dict[int, Any] | None = None) -> None:
    """Store every sample; compare each outcome with the promise."""
    async with new_store([]) as store, application(store, {} if arrived is None else arrived) as app:
        for number, sample in enumerate(samples()):
            expected = accepted(sample, way)
            found, refused = None, ""
            try:
                found = await store_and_read(app, number, sample)
            except NotStorable as error:
                refused = str(error)
            assert bool(refused) is not expected, f"{named(sample)}: {refused or 'not refused'}"
            if expected:
                assert same(found, sample.value), f"{named(sample)} came back as {found!r:.200}"
            elif way != "result":
                assert "value" in refused, f"the error does not name the field: {refused}"
