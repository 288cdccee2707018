"""The types of processes: the parameters of a method follow from its decorator."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_type

from twofold import Flow, Process, Router, on, on_error, on_reply, on_timeout, starts
from twofold.testing import Reply, TimedOut, given_process

from .domain import Paid, Pay, Place, Placed

router = Router("typed")


class Refused(Exception):
    """An error of a command."""


@router.process(partitions=2)
class Buying(Process, name="typed.buying", key="number"):
    """Every method has the parameters that its decorator asks for."""

    number: int
    place: str = ""

    @starts(Placed)
    def placed(self, event: Placed, flow: Flow) -> None:
        flow.send(Place(number=event.number), compensate=Pay(number=event.number), within=timedelta(seconds=5))
        flow.timeout("unpaid", after=timedelta(minutes=30))

    @starts(Place, by="number")
    def asked(self, command: Place, flow: Flow) -> None: ...

    @on(Paid, by="number")
    def paid(self, event: Paid, flow: Flow) -> None:
        flow.complete()

    @on_reply(Place)
    def reserved(self, result: str, flow: Flow) -> None:
        self.place = result

    @on_error(Place, Refused)
    def refused(self, error: Refused, flow: Flow) -> None:
        flow.compensate("refused")

    @on_timeout("unpaid")
    def unpaid(self, flow: Flow) -> None:
        flow.compensate("unpaid")


class Wrong(Process, name="typed.wrong", key="number"):
    """Every method has a parameter that its decorator refuses."""

    number: int

    @starts(Placed)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    def placed(self, event: Paid, flow: Flow) -> None: ...

    @on(Paid, by="number")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    def paid(self, event: Placed, flow: Flow) -> None: ...

    @on_reply(Place)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    def reserved(self, result: int, flow: Flow) -> None: ...

    @on_error(Place, Refused)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    def refused(self, error: str, flow: Flow) -> None: ...

    @on_timeout("unpaid")  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    def unpaid(self, event: Paid, flow: Flow) -> None: ...


def checks() -> None:
    """Check that decorators keep the class, and that a test of a process is typed by it."""
    assert_type(router.process()(Buying), type[Buying])
    given_process(Buying, Placed(number=1), Reply(Place(number=1), "p1")).when(TimedOut("unpaid")).then(Pay(number=1))
    router.process()(Placed)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
