"""A worker process whose event handler makes outside calls in durable steps, and which may kill itself on the way."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, Literal

from tests.crash.stores import opened
from twofold import Application, Command, Event, Retry, Steps, UnitOfWork
from twofold.testing.conformance._tools.in_time import CEILING
from twofold.testing.conformance._tools.proxy import Proxy

Moment = Literal["never", "in the call", "before the result is kept", "after the result is kept"]
"""The moment at which a process kills itself."""


class Placed(Event, name="crash.placed"):
    order_id: str


class Charged(Event, name="crash.charged"):
    order_id: str
    receipt: int


class Place(Command[None]):
    order_id: str


def application(store: Any, journal: Path, moment: Moment, *, on_unknown: Any = "repeat", work: bool) -> Application:
    """Return an application that charges a card for each order.

    Args:
        store: the store.
        journal: the file of the other side: each call appends its idempotency key.
        moment: the moment at which this process kills itself.
        on_unknown: whether an unknown outcome is repeated or raised.
        work: whether to run the event handler.
    """
    app = Application("stepping", write=store, work=work, lease=1.0)

    @app.command_handler(Place)
    async def place(command: Place, unit: UnitOfWork) -> None:
        unit.record(Placed(order_id=command.order_id), stream=command.order_id)

    @app.event_handler(Placed, name="payments", start="beginning", retry=Retry(attempts=1))
    async def pay(event: Placed, steps: Steps, unit: UnitOfWork) -> None:
        def charge(key: str) -> int:
            with journal.open("a") as file:
                file.write(f"{key}\n")
                file.flush()
                os.fsync(file.fileno())
            if moment == "in the call":
                die()
            return len(journal.read_text().split())

        receipt = await steps.run("charge", charge, on_unknown=on_unknown)
        if moment == "after the result is kept":
            die()
        unit.record(Charged(order_id=event.order_id, receipt=receipt), stream=event.order_id)

    @app.event_handler(Charged, name="receipts")
    async def note(event: Charged) -> None:
        pass

    return app


def die() -> None:
    """Kill this process."""
    os.kill(os.getpid(), signal.SIGKILL)


async def work(url: str, journal: Path, moment: Moment, on_unknown: str) -> None:
    """Handle the events of the log, and end."""
    async with opened(url) as store:
        broken = _Store(store) if moment == "before the result is kept" else store
        async with application(broken, journal, moment, on_unknown=on_unknown, work=True) as app:
            await app.settle(timeout=CEILING)


class _Store(Proxy):
    """A store whose process dies before an outcome is committed."""

    async def begin(self, *, read_only: bool = False) -> Any:
        return _Transaction(await self.inner.begin(read_only=read_only))


class _Transaction(Proxy):
    keeps = False

    @property
    def steps(self) -> Any:
        async def keep(record: Any) -> Any:
            self.keeps = True
            return await self.inner.steps.keep(record)

        return Proxy(self.inner.steps, keep=keep)

    async def commit(self) -> None:
        if self.keeps:
            die()
        await self.inner.commit()
