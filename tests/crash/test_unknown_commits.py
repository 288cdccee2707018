"""Commits whose answer is lost or late: the outcome is unknown, and a key or a checkpoint resolves it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Literal

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from tests.crash.lab import SERVERS
from tests.crash.proxy import DatabaseProxy
from twofold import Application, Command, Event, UnitOfWork
from twofold.errors import CommitFailed, CommitUnknown, TransientFailure
from twofold.middleware import retry_conflicts
from twofold.testing.conformance._tools.in_time import until
from twofold_sqlalchemy import SqlAlchemy

Part = Literal["request", "answer", "late answer"]

Limit = Literal["driver", "store"]

PARTS: tuple[Part, ...] = ("request", "answer", "late answer")

TIMEOUT = 2
"""Seconds of the timeout of the driver, or of the store."""

each_server = pytest.mark.parametrize("url", SERVERS, indirect=True)


class Noted(Event, name="crash.noted"):
    text: str


class Echoed(Event, name="crash.echoed"):
    text: str


class Note(Command[str]):
    text: str


@pytest.fixture
async def proxy(url: str) -> AsyncIterator[DatabaseProxy]:
    """Give a way to the database that loses commits."""
    proxy = DatabaseProxy(url)
    async with proxy.running():
        yield proxy


@asynccontextmanager
async def notes(
    proxy: DatabaseProxy,
    runs: Counter[str],
    *,
    limit: Limit = "driver",
    work: bool = False,
    echoing: Callable[[str], object] = str,
) -> AsyncIterator[Application]:
    """Run an application whose driver or store has a short timeout; `runs` counts the calls of its handlers."""
    is_postgresql = proxy.url.startswith("postgresql")
    options: dict[str, Any] = {"command_timeout": TIMEOUT} if is_postgresql else {"read_timeout": TIMEOUT}
    engine = create_async_engine(proxy.url, connect_args=options if limit == "driver" else {})
    app = Application(
        "notes", write=SqlAlchemy(engine, answer_timeout=TIMEOUT if limit == "store" else None), work=work
    )
    app.use(retry_conflicts(attempts=10), on=Command)

    @app.command_handler(Note)
    async def note(command: Note, unit: UnitOfWork) -> str:
        runs[command.text] += 1
        unit.record(Noted(text=command.text), stream=f"note-{command.text}")
        return command.text

    @app.event_handler(Noted, name="echo", start="beginning")
    async def echo(event: Noted, unit: UnitOfWork) -> None:
        runs[f"echo {event.text}"] += 1
        echoing(event.text)
        unit.record(Echoed(text=event.text), stream=f"echo-{event.text}")

    try:
        await app.create_schema()
        async with app:
            yield app
    finally:
        await engine.dispose()


def lost(proxy: DatabaseProxy, number: int) -> bool:
    """Return whether this number of commits was lost."""
    return proxy.lost == number


async def noted(app: Application, stream: str) -> int:
    """Return how many events a stream has."""
    return len([event async for event in app.write.log.read(stream)])


@each_server
@pytest.mark.parametrize("limit", ["driver", "store"])
async def test_a_command_is_not_repeated_and_a_key_resolves_it(proxy: DatabaseProxy, limit: Limit) -> None:
    """A commit whose request or answer is lost, or late, has an unknown outcome, and only its own key repeats it."""
    runs = Counter[str]()
    async with notes(proxy, runs, limit=limit) as app:
        await app.dispatch(Note(text="first"))
        for part in PARTS:
            text = part.replace(" ", "-")
            proxy.lose(part)
            with pytest.raises(CommitUnknown, match="outcome is unknown") as caught:
                await app.dispatch(Note(text=text), idempotency_key=part)
            assert not isinstance(caught.value, TransientFailure | CommitFailed)
            assert runs[text] == 1
            proxy.arrive()
            assert await app.dispatch(Note(text=text), idempotency_key=part) == text
            assert await noted(app, f"note-{text}") == 1
            assert runs[text] == (2 if part == "request" else 1)


@each_server
async def test_an_event_handler_is_not_repeated(proxy: DatabaseProxy) -> None:
    """A subscription reads its checkpoint again after an unknown commit, so that its event takes effect once."""
    runs, texts = Counter[str](), {part.replace(" ", "-"): part for part in PARTS}

    def lose(text: str) -> None:
        if runs[f"echo {text}"] == 1:
            proxy.lose(texts[text])

    async with notes(proxy, runs, work=True, echoing=lose) as app:
        for number, text in enumerate(texts, 1):
            await app.dispatch(Note(text=text))
            await until(partial(lost, proxy, number), "a commit was to be lost")
            proxy.arrive()
            await app.settle()
            assert await noted(app, f"echo-{text}") == 1
    assert [runs[f"echo {text}"] for text in texts] == [2, 1, 1]
