"""Two releases of an application: the second one declares a tag of an event."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sqlalchemy.ext.asyncio import create_async_engine

from twofold import Application, Boundary, Command, Event, EventBus, Router, select
from twofold_sqlalchemy import SqlAlchemy


class Label(Command[int]):
    """Records a label. Returns the number of earlier ones, if the event has a tag."""

    of: str


class Untagged(Event, name="labels.labelled"):
    of: str


class Tagged(Event, name="labels.labelled", tags=("of",)):
    of: str


first, second = Router("first"), Router("second")


@first.command_handler(Label)
async def label(command: Label, events: EventBus) -> int:
    """Record a label."""
    await events.publish(Untagged(of=command.of))
    return 0


@second.command_handler(Label)
async def label_again(command: Label, boundary: Boundary) -> int:
    """Record a label, and count the earlier ones."""
    found = await boundary.read(select(Tagged, of=command.of))
    boundary.append(Tagged(of=command.of))
    return len(found)


@asynccontextmanager
async def _opened(router: Router) -> AsyncIterator[Application]:
    engine = create_async_engine(os.environ["SHOP_DATABASE"])
    try:
        app = Application("labels", write=SqlAlchemy(engine), work=False)
        app.include(router)
        yield app
    finally:
        await engine.dispose()


def before() -> AbstractAsyncContextManager[Application]:
    """Give the first release."""
    return _opened(first)


def after() -> AbstractAsyncContextManager[Application]:
    """Give the second release."""
    return _opened(second)
