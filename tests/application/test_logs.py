"""Log lines: the ids of messages, JSON, and the lines of a worker."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import anyio
import pytest

import twofold.logging
from twofold import Application, Command, Event, ReadModel, UnitOfWork, View, on
from twofold.errors import TransientFailure
from twofold.ports import WriteStore
from twofold.testing.conformance._tools.hooked import Call, Hooked
from twofold.testing.conformance._tools.in_time import until
from twofold_memory import InMemory

logger = logging.getLogger("shop")


class Sold(Event, name="logs.sold"):
    id: str


class Sell(Command[None]):
    id: str


class Sale(View, name="logs_sale", key="id"):
    id: str


@pytest.fixture
def anyio_backend() -> str:
    """Run in memory."""
    return "asyncio"


@pytest.fixture
def lines() -> Iterator[StringIO]:
    """Write the logs of the test as JSON."""
    root, stream = logging.getLogger(), StringIO()
    level, handlers = root.level, list(root.handlers)
    twofold.logging.write_json(stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def shop(store: WriteStore | None = None) -> Application:
    """Return an application whose handlers log."""
    app = Application("logs", write=store or InMemory())

    @app.command_handler(Sell)
    async def sell(command: Sell, unit: UnitOfWork) -> None:
        logger.info("selling")
        unit.record(Sold(id=command.id), stream="sales")

    @app.event_handler(Sold, name="mail")
    async def mail(event: Sold) -> None:
        try:
            dict[str, str]().pop(event.id)
        except KeyError:
            logger.exception("no address")

    @app.projection("sales")
    class Sales:
        def __init__(self, rows: ReadModel[Sale]) -> None:
            self.rows = rows

        @on(Sold)
        async def sold(self, event: Sold) -> None:
            await self.rows.put(Sale(id=event.id))

    return app


async def test_a_line_has_the_ids_of_its_message(lines: StringIO) -> None:
    """The lines of a command and of the event handler share the correlation id, and name their message."""
    async with shop() as app:
        await app.dispatch(Sell(id="a"))
        await app.settle()
        (event,) = (await app.operations.events()).events
    command, handler = [line for line in map(json.loads, lines.getvalue().splitlines()) if line["logger"] == "shop"]
    assert command["correlation_id"] == handler["correlation_id"] == str(event.correlation_id)
    assert (command["message_type"], command["message"], command["level"]) == ("Sell", "selling", "INFO")
    assert (handler["message_type"], handler["message_id"]) == ("logs.sold", str(event.id))
    assert "KeyError: 'a'" in handler["exception"]
    assert "tenant" not in command


async def test_a_worker_logs_its_life(lines: StringIO) -> None:
    """A worker logs one line when it starts, claims and releases a partition, is paused, rebuilds and stops."""
    async with shop() as app:
        await app.dispatch(Sell(id="a"))
        await app.settle()
        await app.operations.rebuild("sales")
        await app.operations.pause("mail")
    found = [json.loads(line)["message"] for line in lines.getvalue().splitlines()]
    mail = [line.removeprefix("subscription mail").split(" as ")[0] for line in found if "subscription mail" in line]
    texts = [
        ": the worker starts",
        ": this worker runs partition 0",
        " is paused",
        ": this worker has released partition 0",
    ]
    assert [text for text in texts if not any(line.startswith(text) for line in mail)] == []
    assert mail[-1] == ": the worker has stopped"
    assert [line for line in found if "rebuild" in line] == [
        "projection sales: a rebuild starts", "projection sales: the rebuild has finished",
    ]  # fmt: skip


async def test_a_handover_is_logged_on_both_sides(lines: StringIO) -> None:
    """A worker that gets company hands partitions over, and the other one takes them over."""
    store = InMemory()

    def sharing() -> Application:
        app = Application("sharing", write=store, lease=0.6)

        @app.event_handler(Sold, name="mail", partitions=2)
        async def mail(event: Sold) -> None: ...

        return app

    def logged(text: str) -> int:
        return lines.getvalue().count(f"subscription mail: this worker {text} partition")

    async with sharing():
        await until(lambda: logged("runs") == 2)
        async with sharing():
            await until(lambda: min(logged("hands over"), logged("takes over")) >= 1)
        await until(lambda: logged("takes over") >= 2)
    assert logged("runs") == 2


@pytest.mark.parametrize(
    ("error", "level", "has_traceback"),
    [(TransientFailure("away"), "WARNING", False), (LookupError("wrong"), "ERROR", True)],
)
async def test_a_lease_that_is_not_renewed(lines: StringIO, error: Exception, level: str, has_traceback: bool) -> None:
    """A transient failure is one line. Another failure has its traceback."""
    failed = anyio.Event()

    async def failing(call: Call) -> Any:
        if not failed.is_set():
            failed.set()
            raise error
        return await call()

    store: Any = Hooked(InMemory(), "subscriptions.claim", failing)
    async with shop(store) as app:
        await failed.wait()
        await app.settle()
    found = [each for each in map(json.loads, lines.getvalue().splitlines()) if "cannot renew" in each["message"]]
    assert [(each["level"], "exception" in each) for each in found] == [(level, has_traceback)]


async def test_a_line_outside_of_handlers_has_no_ids(lines: StringIO) -> None:
    """Without a message, the fields are left out."""
    logger.info("starting")
    (line,) = map(json.loads, lines.getvalue().splitlines())
    assert line.keys() == {"time", "level", "logger", "message"}


def test_a_line_has_the_stack(lines: StringIO) -> None:
    """The stack that a call asks for is a field of the one line."""
    logger.warning("here", stack_info=True)
    (line,) = map(json.loads, lines.getvalue().splitlines())
    assert "test_a_line_has_the_stack" in line["stack"]
    assert line["message"] == "here"


@pytest.mark.parametrize("message", ["%s of %d", "%(name)s", object()], ids=["missing", "named", "object"])
def test_a_record_that_cannot_be_formatted(message: object) -> None:
    """It is one line with the place, and without the arguments."""

    class Silent:
        def __str__(self) -> str:
            raise ValueError("hunter2")

    arguments = {"msg": message, "args": (Silent(),), "pathname": "shop.py", "lineno": 7, "tenant": 7}
    line = twofold.logging.JsonFormatter().format(logging.makeLogRecord(arguments))
    assert "\n" not in line
    assert "hunter2" not in line
    assert "shop.py:7" in json.loads(line)["message"]
    assert json.loads(line)["tenant"] == "7"
