"""Rows that do not fit their view are refused where they are put, and only their key waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from twofold import Application, Command, Event, Query, ReadModel, Retry, UnitOfWork, View, on
from twofold.errors import NotStorable
from twofold.ports import WriteStore
from twofold.testing.conformance._tools.in_time import in_time


class Noted(Event, name="rows.noted"):
    id: str
    how: str = "well"


class Note(Command[None]):
    notes: tuple[Noted, ...]


class Line(View, name="rows_line", key="id"):
    id: str
    text: str = ""
    number: int = 0
    parts: tuple[Line, ...] = ()


class Other(View, name="rows_other", key="id"):
    id: str


class GetLines(Query[tuple[str, ...]]):
    pass


async def well(lines: ReadModel[Line], event: Noted) -> None:
    """Put a row that fits."""
    await lines.put(Line(id=event.id))


async def copied(lines: ReadModel[Line], event: Noted) -> None:
    """Put a copy with a field that does not fit."""
    await lines.put(Line(id=event.id).model_copy(update={"number": "many"}))


async def constructed(lines: ReadModel[Line], event: Noted) -> None:
    """Put a row that was created without validation."""
    await lines.put(Line.model_construct(id=event.id, text=5))


async def in_part(lines: ReadModel[Line], event: Noted) -> None:
    """Put a row with a nested model that was created without validation."""
    await lines.put(Line(id=event.id, parts=(Line.model_construct(id="part", number="many"),)))


async def another(lines: ReadModel[Line], event: Noted) -> None:
    """Put a row of another view."""
    await lines.put(Other(id=event.id))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # that is the case


async def updated(lines: ReadModel[Line], event: Noted) -> None:
    """Update a row by a value that does not fit."""
    await lines.put(Line(id=event.id))
    await lines.update(event.id, number="many")


async def misnamed(lines: ReadModel[Line], event: Noted) -> None:
    """Update a field that is not there."""
    await lines.put(Line(id=event.id))
    await lines.update(event.id, colour="red")


async def swallowed(lines: ReadModel[Line], event: Noted) -> None:
    """Put a row that no store keeps, and hide that it was refused."""
    await lines.put(Line(id=event.id, text="\ud800"))
    with suppress(NotStorable):
        await lines.count()


HOW: dict[str, Callable[[ReadModel[Line], Noted], Awaitable[None]]] = {
    each.__name__: each for each in (well, copied, constructed, in_part, another, updated, misnamed, swallowed)
}

REFUSED = {
    "copied": ("Line 'bad'", "the field 'number' is 'many' (str)"),
    "constructed": ("Line 'bad'", "the field 'text' is 5 (int)"),
    "in_part": ("Line 'bad'", "many"),
    "another": ("rows of Line", "ReadModel[Other]"),
    "updated": ("Line 'bad'", "the field 'number' is 'many' (str)"),
    "misnamed": ("Line 'bad'", "colour"),
    "swallowed": ("", ""),
}
"""Changes that make a row invalid, and the text that the reason must contain."""


def application(store: WriteStore, *, order_by: str | None = "id", inline: bool = False) -> Application:
    """Return an application whose projection "lines" makes rows as each event says."""
    app = Application("rows", write=store)

    @app.command_handler(Note)
    async def note(command: Note, unit: UnitOfWork) -> None:
        for each in command.notes:
            unit.record(each)

    retry = Retry(attempts=2, delay=0.001)

    @app.projection("lines", mode="inline" if inline else "async", partition_by=order_by, retry=retry)
    class Lines:
        def __init__(self, lines: ReadModel[Line]) -> None:
            self.lines = lines

        @on(Noted)
        async def noted(self, event: Noted) -> None:
            await HOW[event.how](self.lines, event)

    @app.query_handler(GetLines)
    async def get_lines(query: GetLines, lines: ReadModel[Line]) -> tuple[str, ...]:
        return tuple(row.id for row in (await lines.find(order_by="id")).items)

    return app


@pytest.fixture
async def app(store: WriteStore) -> AsyncIterator[Application]:
    """Run the application."""
    app = application(store)
    await app.create_schema()
    async with app:
        yield app


async def settled(app: Application) -> None:
    """Wait for the projection."""
    with in_time():
        await app.settle()


@pytest.mark.parametrize("how", REFUSED)
async def test_a_row_that_does_not_fit_parks_its_event(app: Application, how: str) -> None:
    """The reason names view, key and field; the rows of other keys are there, of the same page too."""
    notes = (Noted(id="a"), Noted(id="bad", how=how), Noted(id="b"), Noted(id="bad", how=how), Noted(id="c"))

    await app.dispatch(Note(notes=notes))
    await settled(app)

    parked = await app.operations.parked("lines")
    assert [(each.key, each.attempts) for each in parked] == [("bad", 2), ("bad", 0)]
    assert all(part in parked[0].reason for part in ("NotStorable", *REFUSED[how])), parked[0].reason
    assert await app.execute(GetLines()) == ("a", "b", "c")


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"], ids=["nul", "surrogate"])
async def test_keys_and_reasons_can_be_anything(store: WriteStore, text: str) -> None:
    """An event is parked even if its key and its error contain text that databases refuse."""

    async def fails(lines: ReadModel[Line], event: Noted) -> None:
        raise LookupError(event.id)

    HOW["fails"] = fails
    if "\ud800" in text:
        fails_on = Noted(id="bad", how="surrogates")

        async def surrogates(lines: ReadModel[Line], event: Noted) -> None:
            raise LookupError(text)

        HOW["surrogates"] = surrogates
    else:
        fails_on = Noted(id=text, how="fails")
    app = application(store)
    await app.create_schema()
    async with app:
        await app.dispatch(Note(notes=(fails_on, Noted(id="b"))))
        await settled(app)
        (parked,) = await app.operations.parked("lines")
        assert await app.execute(GetLines()) == ("b",)
        assert await app.operations.retry("lines", key=parked.key) != []
        assert len(await app.operations.discard("lines", key=parked.key)) == 1


@pytest.mark.parametrize("how", ["copied", "swallowed"])
async def test_a_row_of_an_inline_projection_fails_its_command(store: WriteStore, how: str) -> None:
    """An invalid row of an inline projection fails its command with an error that names the field.

    Nothing is stored.
    """
    app = application(store, inline=True, order_by=None)
    await app.create_schema()
    async with app:
        with pytest.raises(NotStorable):
            await app.dispatch(Note(notes=(Noted(id="a"), Noted(id="bad", how=how))))
        assert await app.execute(GetLines()) == ()
        assert await store.log.head() == 0


async def test_an_equal_value_is_stored_in_the_form_of_its_field(app: Application) -> None:
    """A value that validation accepts is stored in its validated form, however the row was created."""

    async def as_text(lines: ReadModel[Line], event: Noted) -> None:
        await lines.put(Line(id=event.id).model_copy(update={"number": "7"}))
        row = await lines.get(event.id)
        assert row == Line(id=event.id, number=7)

    HOW["as_text"] = as_text
    await app.dispatch(Note(notes=(Noted(id="a", how="as_text"),)))
    await settled(app)
    assert await app.operations.parked("lines") == []
    assert await app.execute(GetLines()) == ("a",)
