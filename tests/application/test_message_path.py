"""The path of an interaction: commands, events, and what handled them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from twofold import Application, Command, Event, PathNode, Retry, Session, UnitOfWork, on
from twofold.ports import Expected, NewEvent
from twofold.testing.conformance._tools.in_time import until
from twofold.testing.conformance._tools.opened import writing
from twofold_memory import InMemory


class Order(Command[None]):
    id: str


class Ordered(Event, name="path.ordered"):
    id: str


class Pack(Command[None], name="path.pack"):
    id: str


class Packed(Event, name="path.packed"):
    id: str


@pytest.fixture
def anyio_backend() -> str:
    """Run in memory."""
    return "asyncio"


@pytest.fixture
async def app() -> AsyncIterator[Application]:
    """Run an application whose event handler sends a second command, and whose mails fail."""
    app = Application("path", write=InMemory())

    @app.command_handler(Order)
    async def order(command: Order, unit: UnitOfWork) -> None:
        unit.record(Ordered(id=command.id), stream=f"order-{command.id}")

    @app.command_handler(Pack)
    async def pack(command: Pack, unit: UnitOfWork) -> None:
        unit.record(Packed(id=command.id), stream=f"order-{command.id}")

    @app.event_handler(Ordered, name="warehouse")
    async def warehouse(event: Ordered, session: Session) -> None:
        await session.dispatch(Pack(id=event.id))

    @app.event_handler(Packed, name="mail", retry=Retry(attempts=1))
    async def mail(event: Packed) -> None:
        raise KeyError(event.id)

    @app.projection("orders")
    class Orders:
        @on(Ordered)
        async def ordered(self, event: Ordered) -> None: ...

    async with app:
        yield app


def outline(nodes: list[PathNode] | tuple[PathNode, ...]) -> list[object]:
    """Return the names of nodes, each with those of its children."""
    return [(each.name, outline(each.children)) for each in nodes]


async def test_the_path_is_a_tree_of_causes(app: Application) -> None:
    """A command leads to its event, the event to the command of its handler, and so on. Others do not appear."""
    for order in ("a", "b"):
        await app.dispatch(Order(id=order))
    await app.settle()
    (first,) = (await app.operations.events(stream="order-a", limit=1)).events
    assert first.correlation_id is not None
    path = await app.operations.path(first.correlation_id)
    assert path.complete
    assert outline(path.roots) == [
        ("Order", [("path.ordered", [("path.pack", [("path.packed", [])])])]),
    ]
    (command,) = path.roots
    assert (command.id, command.event, command.children[0].event) == (first.correlation_id, None, first)


async def test_the_path_shows_what_handled_an_event(app: Application) -> None:
    """Each event has the subscriptions that receive it, and where it is parked."""
    await app.operations.pause("orders")
    await app.dispatch(Order(id="a"))
    await until(lambda: _is_parked(app))
    (event,) = (await app.operations.events(types=[Packed])).events
    assert event.correlation_id is not None
    path = await app.operations.path(event.correlation_id)
    ordered = path.roots[0].children[0]
    states = {each.subscription: each.state for each in ordered.handlers}
    assert states == {"orders": "waiting", "warehouse": "passed"}
    (mail,) = ordered.children[0].children[0].handlers
    assert (mail.subscription, mail.state, mail.attempts, mail.reason) == ("mail", "parked", 1, "KeyError: 'a'")


async def _is_parked(app: Application) -> bool:
    return bool(await app.operations.parked("mail"))


async def test_a_path_has_the_last_thousand_events(app: Application) -> None:
    """A longer path says that it is not complete. A message whose cause is missing is a root."""
    correlation_id = uuid4()
    metadata = json.dumps({"correlation_id": str(correlation_id), "causation_id": str(uuid4())})
    new = [NewEvent(uuid4(), "path.packed", 1, '{"id":"a"}', metadata, datetime.now(UTC)) for _ in range(1_001)]
    async with writing(app.write) as transaction:
        stored = await transaction.log.append("order-a", new, expected=Expected.ANY)
    path = await app.operations.path(correlation_id)
    assert [each.event.version for each in path.roots[0].children if each.event is not None] == list(range(2, 1_002))
    assert (len(path.roots), path.complete) == (1, False)
    rest = await app.operations.path(correlation_id, before=stored[1].position)
    assert ([each.id for each in rest.roots[0].children], rest.complete) == ([new[0].id], True)
