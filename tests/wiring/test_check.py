"""`check()` reports all faults of an application before it starts, with file and line."""

from __future__ import annotations

import pytest

from tests.domains.orders import Ask, Cancel, Look, Place, Placed
from tests.wiring.applications import both, place_of, with_command, with_projection, with_query
from tests.wiring.domain import Rows
from twofold import CommandBus, on
from twofold.errors import WiringError


class Mailer:
    pass


async def place(command: Place) -> str:
    return "placed"


async def ask(query: Ask) -> str:
    return "answer"


async def unprovided(command: Place, mailer: Mailer) -> str:
    return "placed"


async def gives_another(command: Place) -> int:
    return 1


class TakesBus:
    def __init__(self, commands: CommandBus) -> None:
        self.commands = commands

    @on(Placed)
    async def placed(self, event: Placed) -> None:
        return None


def test_all_faults_are_reported_together() -> None:
    """One check reports every fault there is."""
    made = both(both(with_command(unprovided), with_query(gives_another)), with_projection(TakesBus))
    made.expects(Cancel, Look)
    with pytest.raises(WiringError) as caught:
        made.check()
    places = {(fault.file, fault.line) for fault in caught.value.faults}
    assert places >= {place_of(each) for each in (unprovided, gives_another, TakesBus, Cancel, Look)}


def test_a_sound_application_passes() -> None:
    """An application without a fault passes its check."""
    made = both(both(with_command(place), with_query(ask, reads="rows")), with_projection(Rows))
    made.check()


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_a_faulty_application_does_not_start(anyio_backend: str) -> None:
    """Entering an application with a fault raises the same error."""
    with pytest.raises(WiringError):
        await with_command(unprovided).__aenter__()
