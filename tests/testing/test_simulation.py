"""Tests of the simulator."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import pytest

from tests.domains.fragile import MISTAKES, Book, Provider, RoomRow, buy, shop
from twofold.errors import CommitUnknown
from twofold.testing import ProcessCrashed, Simulation, SimulationFailed, simulate
from twofold.testing._simulation.faults import Fault, Point, Schedule
from twofold.testing._simulation.loop import Stalled, virtual_loop
from twofold_memory import InMemory

fragile = partial(simulate, store=InMemory)

BOOK = Book(room="1", guest="ann")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_found(mistake: str) -> None:
    """Each mistake fails within 2,000 schedules, with a schedule that repeats the failure."""

    async def scenario(simulation: Simulation) -> None:
        await buy(simulation, mistake)

    with pytest.raises(SimulationFailed) as found:
        fragile(scenario, schedules=2_000)
    with pytest.raises(SimulationFailed, match=r"without any fault|The shortest schedule") as again:
        fragile(scenario, repeat=found.value.schedule)
    assert str(again.value.__cause__) == str(found.value.__cause__)


def test_no_schedule_breaks_a_sound_application(everywhere: bool) -> None:
    """The same shop without mistakes holds under every schedule."""
    schedules = 1_000 if everywhere else 40
    done = fragile(partial(buy, mistake=None), schedules=schedules)
    assert done.schedules == schedules
    assert done.faults > schedules


def test_processes_share_the_schedules() -> None:
    """Several processes find the failure that one process finds."""

    async def scenario(simulation: Simulation) -> None:
        await buy(simulation, "check a read model")

    with pytest.raises(SimulationFailed) as alone:
        fragile(scenario, schedules=100)
    with pytest.raises(SimulationFailed) as together:
        fragile(scenario, schedules=100, workers=2)
    assert (together.value.seed, together.value.schedule) == (alone.value.seed, alone.value.schedule)


def test_a_scenario_that_differs_in_each_run() -> None:
    """A failure that its own schedule does not repeat is reported as such."""
    runs = []

    async def scenario(simulation: Simulation) -> None:
        runs.append(simulation)
        assert len(runs) != 5

    with pytest.raises(SimulationFailed, match="seed 4 fails, but not when its schedule is repeated"):
        fragile(scenario, schedules=10)


@pytest.mark.parametrize(
    ("fault", "error", "rooms"),
    [("crash", ProcessCrashed, 0), ("commit-crash", ProcessCrashed, 1), ("commit-unknown", CommitUnknown, 1),
     ("lose-unknown", CommitUnknown, 0)],
)  # fmt: skip
def test_what_a_fault_at_a_commit_leaves(fault: str, error: type[Exception], rooms: int) -> None:
    """A crash before the commit leaves nothing, and after it everything. The same holds for a lost answer."""

    async def scenario(simulation: Simulation) -> None:
        provider = Provider()
        await simulation.start(lambda process: shop(process, provider, provider, None))
        with pytest.raises(error):
            await simulation.client().dispatch(BOOK)
        await simulation.settle()
        assert len(await simulation.rows(RoomRow)) == rooms

    fragile(scenario, repeat=f"commit room-1#1={fault}")


def test_a_crashed_process_reaches_nothing() -> None:
    """After a crash, no call of a task that still runs reaches the store."""

    async def scenario(simulation: Simulation) -> None:
        provider = Provider()
        await simulation.start(lambda process: shop(process, provider, provider, None))
        with pytest.raises(ProcessCrashed):
            await asyncio.gather(*[simulation.client().dispatch(BOOK) for _ in range(2)])
        await simulation.settle()
        assert await simulation.rows(RoomRow) == []

    fragile(scenario, repeat="log.append room-1#1=crash")


def test_the_text_of_a_schedule() -> None:
    """A schedule is read as it is printed. Another text is refused."""
    schedule = Schedule({Point("commit order-1, mail", 2): Fault("crash"), Point("begin", 1): Fault("delay", 0.5)})
    assert Schedule.parse(str(schedule)) == schedule
    with pytest.raises(ValueError, match="'begin' is not a step of a schedule"):
        Schedule.parse("begin")


def test_virtual_time() -> None:
    """A day takes no time, and the callback that is due first runs first."""
    order = []

    async def wait(seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append(seconds)

    async def main() -> float:
        await asyncio.gather(*map(wait, (86_400, 1, 60)))
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert virtual_loop(longest=100_000).run(main()) == 86_400
    assert order == [1, 60, 86_400]
    assert time.monotonic() - began < 86_400


def test_a_thread_takes_no_virtual_time() -> None:
    """The time does not move while a function runs in a thread."""

    async def main() -> tuple[float, float]:
        from anyio import to_thread

        sleeping = asyncio.ensure_future(asyncio.sleep(0.001))
        await to_thread.run_sync(time.sleep, 0.01)
        in_thread = asyncio.get_running_loop().time()
        await sleeping
        return in_thread, asyncio.get_running_loop().time()

    assert virtual_loop(longest=1).run(main()) == (0.0, 0.001)


def test_nothing_can_happen() -> None:
    """A wait that cannot end, and tasks that never come to rest, are errors."""

    async def never() -> None:
        await asyncio.Event().wait()

    async def always() -> None:
        for _ in range(20):
            await asyncio.sleep(1)

    with pytest.raises(Stalled, match="every task waits"):
        virtual_loop(longest=10).run(never())
    with pytest.raises(Stalled, match="not at rest after 10 s"):
        virtual_loop(longest=10).run(always())
