"""`explain` prints the pipeline of a message, which is the one that runs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.domains.orders import Ask, Place, Placed, Row
from twofold import Application, Command, ReadModel, UnitOfWork, on
from twofold._buses.chain import CallNext
from twofold.errors import NoHandler
from twofold_memory import InMemory


class Links:
    """Three middlewares that record the order in which they run."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    async def everything(self, message: Any, call_next: CallNext) -> Any:
        """Record every message."""
        self.ran.append("Links.everything")
        return await call_next(message)

    async def commands(self, message: Any, call_next: CallNext) -> Any:
        """Record commands."""
        self.ran.append("Links.commands")
        return await call_next(message)

    async def inside(self, message: Any, call_next: CallNext) -> Any:
        """Record messages inside the unit of work."""
        self.ran.append("Links.inside")
        return await call_next(message)


def shop(links: Links) -> Application:
    """Return an application in which every step records its run."""
    app = Application("explain", write=InMemory(), middleware=[links.everything])
    app.use(links.inside, on=Command, inside=True)
    app.use(links.commands, on=Command)

    @app.command_handler(Place, key="number")
    async def place(command: Place, unit: UnitOfWork) -> str:
        links.ran.append("place")
        unit.record(Placed(number=command.number), stream="explain-1")
        return "placed"

    @app.projection("now", mode="inline")
    class Now:
        def __init__(self, rows: ReadModel[Row]) -> None:
            self.rows = rows

        @on(Placed)
        async def placed(self, event: Placed) -> None:
            links.ran.append("now")
            await self.rows.put(Row(number=event.number))

    @app.projection("later")
    class Later:
        @on(Placed)
        async def placed(self, event: Placed) -> None: ...

    @app.event_handler(Placed, name="mail", partition_by="number")
    async def mail(event: Placed) -> None: ...

    @app.query_handler(Ask, reads=("now", "later"))
    async def ask(query: Ask, rows: ReadModel[Row]) -> str:
        links.ran.append("ask")
        return "answer"

    return app


def links_of(text: str) -> list[str]:
    """Return the names of the links, in the order in which `explain` prints them."""
    found = re.findall(
        r"^  \d+\. (?:middleware ([\w.]+)|handler \S*?(\w+) \(|inline projections: (\w+))", text, re.MULTILINE
    )
    return ["".join(names) for names in found]


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_a_command_runs_in_the_order_that_is_printed(anyio_backend: str) -> None:
    """Middleware, handler and inline projection run in the order of the lines."""
    links = Links()
    app = shop(links)
    await app.create_schema()
    async with app:
        await app.dispatch(Place())
        await app.settle()
    printed = links_of(app.explain(Place))
    ran = links.ran[: len(printed)]  # event handlers pass through middleware too, later
    assert printed == ran == ["Links.everything", "Links.commands", "Links.inside", "place", "now"]


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_a_query_runs_in_the_order_that_is_printed(anyio_backend: str) -> None:
    """A query passes the middleware of every message, and its handler."""
    links = Links()
    app = shop(links)
    await app.create_schema()
    async with app:
        await app.execute(Ask())
    assert links_of(app.explain(Ask)) == links.ran == ["Links.everything", "ask"]


def test_the_whole_pipeline_of_a_command() -> None:
    """The explanation of a command numbers its steps: the key, the unit of work, the handler's place and its arguments."""
    lines = shop(Links()).explain(Place).splitlines()
    assert lines[0] == "Place"
    assert [line.split(". ")[0] for line in lines[1:]] == [f"  {number}" for number in range(1, len(lines))]
    assert lines[3:8] == [
        "  3. lock: one command at a time for each number, in this process",
        "  4. lock: one command at a time for each idempotency key, in this process",
        "  5. unit of work: opens when the handler first uses it, commits after the handler",
        "  6. claim: stores the idempotency key; a duplicate returns the first result",
        "  7. middleware Links.inside (inside the unit of work)",
    ]
    assert f"{__file__}:" in lines[8]
    assert lines[8].endswith("given unit: the unit of work")
    assert lines[9:] == [
        "  9. inline projections: now",
        "  10. commit: state, events and result, all or nothing",
        "  11. announce: advances the session's token and notifies subscriptions",
    ]


def test_the_pipelines_of_a_query_and_of_an_event() -> None:
    """The explanation of a query names the projections to wait for. That of an event names handlers and middleware."""
    app = shop(Links())
    assert "wait: until later contains the session's writes" in app.explain(Ask)
    assert "given rows: rows of orders_row, to read" in app.explain(Ask)
    assert app.explain(Placed).splitlines() == [
        "Placed",
        "  1. projection now, inline: in the command's transaction",
        "  2. projection later, after the commit, in order of each stream",
        "  3. event handler mail, after the commit, in order of each number",
        "  4. middleware Links.everything (around mail, inside its unit of work)",
    ]


def test_a_message_without_a_handler_cannot_be_explained() -> None:
    """`explain` of a message without a handler raises `NoHandler`."""
    with pytest.raises(NoHandler, match="cannot explain Place"):
        Application("empty", write=InMemory()).explain(Place)
