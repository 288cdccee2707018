"""A replay in the process that runs the subscription."""

from __future__ import annotations

import logging

import pytest

from twofold import Application, Command, Event, UnitOfWork
from twofold.testing.conformance._tools.in_time import in_time
from twofold_memory import InMemory


class Told(Event, name="replays.told"):
    """Handled again."""


class Tell(Command[None]):
    """Records an event."""


async def test_a_replay_is_not_reported_as_a_loss(caplog: pytest.LogCaptureFixture) -> None:
    """The replay takes the partitions of its own worker on purpose: no warning says that they were lost."""
    app, handled = Application("replays", write=InMemory()), list[Event]()

    @app.command_handler(Tell)
    async def tell(command: Tell, unit: UnitOfWork) -> None:
        unit.record(Told())

    @app.event_handler(Told, name="listen", partitions=2)
    async def listen(event: Told) -> None:
        handled.append(event)

    with caplog.at_level(logging.INFO, "twofold.subscriptions"), in_time():
        async with app:
            await app.dispatch(Tell())
            await app.settle()
            await app.operations.replay("listen", after=0)
            await app.settle()
    assert handled == [Told(), Told()]
    assert "an operator moves partition" in caplog.text
    (moved,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "an operator moved its checkpoint" in moved
