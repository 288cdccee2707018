"""Upcasters: a stored event becomes an event of the current version, or the error says why it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twofold import Application, Command, Event, UnitOfWork
from twofold.ports import WriteStore


class Measured(Event, name="test.measured"):
    meters: str


class MeasuredNow(Event, name="test.measured", version=2):
    centimetres: int


class Measure(Command[None]):
    meters: str


def first(store: WriteStore) -> Application:
    """Return the release that wrote version 1."""
    app = Application("measures", write=store)

    @app.command_handler(Measure)
    async def measure(command: Measure, unit: UnitOfWork) -> None:
        unit.record(Measured(meters=command.meters), stream=f"measure-{command.meters}")

    return app


def second(store: WriteStore, seen: list[int], *, commas: bool) -> Application:
    """Return the release that reads it as version 2, and understands decimal commas or does not."""
    app = Application("measures", write=store)

    @app.upcaster("test.measured", from_version=1)
    def in_centimetres(fields: Mapping[str, Any]) -> Mapping[str, Any]:
        text = fields["meters"].replace(",", ".") if commas else fields["meters"]
        return {"centimetres": int(float(text) * 100)}

    @app.event_handler(MeasuredNow, name="see", start="beginning")
    async def see(event: MeasuredNow) -> None:
        seen.append(event.centimetres)

    return app


async def test_an_event_whose_upcaster_fails_is_parked(store: WriteStore) -> None:
    """A failing upcaster makes its event undecodable.

    Other events continue, and a retry uses the corrected upcaster.
    """
    app = first(store)
    await app.create_schema()
    async with app:
        for meters in ("1.5", "2,5", "3.5"):
            await app.dispatch(Measure(meters=meters))
    seen: list[int] = []
    async with second(store, seen, commas=False) as app:
        await app.settle()
        (parked,) = await app.operations.parked("see")
        assert (seen, parked.key) == ([150, 350], "measure-2,5")
        assert (
            "its upcaster from version 1 failed (ValueError: could not convert string to float: '2,5')" in parked.reason
        )
    async with second(store, seen, commas=True) as app:
        assert not await app.operations.retry("see", parked.key)
    assert seen == [150, 350, 250]
