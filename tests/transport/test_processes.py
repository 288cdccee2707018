"""Processes that send commands to another application."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.domains.stock import Fill, GetLevel, OutOfStock, Take
from tests.transport.serving import serving
from twofold import Application, Command, Event, Flow, Process, Retry, Router, UnitOfWork, on_error, on_reply, starts
from twofold.errors import CommitUnknown, RemoteTimeout
from twofold.ports import Requests, WriteStore
from twofold.testing.conformance._tools.in_time import until
from twofold.testing.conformance._tools.watched import BEFORE_COMMIT, watched
from twofold_memory import InMemoryTransport

NAME = "shop.taking"


class Wanted(Event, name="shop.wanted"):
    order_id: str
    article: str
    number: int


class Want(Command[None], name="shop.want"):
    order_id: str
    article: str = "lamp"
    number: int = 1


class Taking(Process, name=NAME, key="order_id"):
    order_id: str
    article: str = ""
    left: int = -1

    @starts(Wanted)
    def wanted(self, event: Wanted, flow: Flow) -> None:
        self.article = event.article
        within = timedelta(milliseconds=100) if event.article == "late" else timedelta(seconds=60)
        undo = Fill(article=f"back from {self.order_id}", number=event.number)
        flow.send(Take(article=event.article, number=event.number), compensate=undo, within=within)

    @on_reply(Take)
    def taken(self, left: int, flow: Flow) -> None:
        self.left = left
        flow.complete()

    @on_error(Take, OutOfStock)
    def out_of_stock(self, error: OutOfStock, flow: Flow) -> None:
        self.left = error.left
        flow.compensate(f"only {error.left} {error.article}")

    @on_error(Take, RemoteTimeout)
    def late(self, error: RemoteTimeout, flow: Flow) -> None:
        flow.compensate("no reply")


class Impatient(Process, name=NAME, key="order_id"):
    """Has no method for a reply that is late."""

    order_id: str
    left: int = -1

    @starts(Wanted)
    def wanted(self, event: Wanted, flow: Flow) -> None:
        undo = Fill(article=f"back from {self.order_id}", number=event.number)
        flow.send(Take(article=event.article, number=event.number), compensate=undo, within=timedelta(milliseconds=100))


def shop(store: WriteStore, broker: Requests, process: type[Process] = Taking) -> Application:
    """Return the application with the process."""
    router = Router("shop")
    router.process(remote={Take: "stock", Fill: "stock"}, retry=Retry(attempts=3, delay=0.01))(process)

    @router.command_handler(Want)
    async def want(command: Want, unit: UnitOfWork) -> None:
        unit.record(Wanted(order_id=command.order_id, article=command.article, number=command.number))

    app = Application("shop", write=store, requests=broker)
    app.include(router)
    return app


async def wanted(app: Application, *commands: Want) -> dict[str, tuple[str, Any]]:
    """Dispatch commands; return state and remaining stock of each process when all are settled."""
    for command in commands:
        await app.dispatch(command)
    await app.settle()
    return {each.key: (each.state, each.fields["left"]) for each in await app.operations.processes()}


async def test_replies_and_errors_of_another_application(
    here: WriteStore, there: WriteStore, broker: InMemoryTransport
) -> None:
    """The result of a remote command is an input of the process, and so is an error that it declares."""
    await here.create_schema([])
    async with serving(there, broker) as stock, shop(here, broker) as app:
        await stock.dispatch(Fill(article="lamp", number=3))
        found = await wanted(app, Want(order_id="a", number=2), Want(order_id="b", number=2))
    assert sorted(found.values()) == [("completed", 1), ("failed", 1)]


async def test_a_request_is_repeated_with_its_key(
    here: WriteStore, there: WriteStore, broker: InMemoryTransport
) -> None:
    """A process that crashes after the reply, and before its commit, sends the command again. The effect happens once."""
    crashes = 0

    async def hook(point: str, subject: str) -> None:
        nonlocal crashes
        if point == BEFORE_COMMIT and subject == NAME and crashes < 3:
            crashes += 1
            raise CommitUnknown("crashed on purpose")

    await here.create_schema([])
    async with serving(there, broker) as stock, shop(watched(here, hook), broker) as app:
        await stock.dispatch(Fill(article="lamp", number=10))
        found = await wanted(app, *(Want(order_id=order_id) for order_id in "abc"))
    assert crashes == 3
    assert sorted(left for _, left in found.values()) == [7, 8, 9]


async def test_a_discarded_command_with_an_unknown_outcome(
    here: WriteStore, there: WriteStore, broker: InMemoryTransport
) -> None:
    """A command without a reply may have taken effect. If an operator discards it, its compensation is sent."""
    await here.create_schema([])
    async with serving(there, broker) as stock:
        await stock.dispatch(Fill(article="late", number=10))
    async with shop(here, broker, Impatient) as app:
        await app.dispatch(Want(order_id="a", article="late"))
        await app.settle()
        (gone,) = await app.operations.discard(NAME, "a")
        async with serving(there, broker) as stock:
            await app.settle()
            await stock.settle()
            assert await stock.execute(GetLevel(article="back from a")) is not None
        process = await app.operations.process(NAME, "a")
        assert (process.state, process.reason) == ("failed", f"a command was discarded: {gone.reason}")


async def test_a_late_reply(here: WriteStore, there: WriteStore, broker: InMemoryTransport) -> None:
    """A reply that misses its deadline is an error that the process may handle. The outcome is unknown, so it is undone."""
    await here.create_schema([])
    async with serving(there, broker) as stock:
        await stock.dispatch(Fill(article="late", number=10))
    async with shop(here, broker) as app:
        await app.dispatch(Want(order_id="a", article="late"))

        async def is_stuck() -> bool:
            return bool(await app.operations.processes(state="compensation_stuck"))

        await until(is_stuck, "the compensation was to fail")
        async with serving(there, broker) as stock:
            assert await app.operations.retry_process(NAME, "a")
            await app.settle()
            assert [each.state for each in await app.operations.processes()] == ["failed"]
