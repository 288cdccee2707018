"""Run a scenario under many schedules, and find the shortest one under which it fails."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkContext, ForkProcess
from typing import Final, TypeAlias, get_args

from .choices import Choices, Exploring, Repeating
from .faults import Fault, Kind, Point, Schedule
from .loop import VirtualLoop, virtual_loop
from .simulation import Simulation, StoreFactory

SimulatedScenario: TypeAlias = Callable[[Simulation], Awaitable[None]]
"""Starts processes, sends messages, and checks what must hold."""

_KINDS: Final[Sequence[Kind]] = get_args(Kind)

_SHRINKING: Final = 300
"""The largest number of runs that search for a shorter schedule."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """The extent of a simulation.

    Attributes:
        schedules: the number of schedules that ran.
        faults: the number of faults in them.
    """

    schedules: int
    faults: int


class SimulationFailed(AssertionError):
    """A scenario failed under a schedule. The cause is its error.

    Attributes:
        seed: the seed of the first schedule that failed; None if it was given as a text.
        schedule: the shortest schedule found under which the scenario fails, as a text for `simulate(repeat=...)`.
    """

    def __init__(self, text: str, seed: int | None, schedule: str) -> None:
        super().__init__(text)
        self.seed = seed
        self.schedule = schedule


def simulate(
    scenario: SimulatedScenario,
    *,
    store: StoreFactory,
    schedules: int = 1_000,
    seed: int = 0,
    faults: Sequence[Kind] = _KINDS,
    workers: int = 1,
    repeat: str | None = None,
    longest: float = 86_400.0,
) -> Simulated:
    """Run a scenario under many schedules, which delay calls, fail them, and crash processes, in virtual time.

    Each run has a new store, a new event loop, and a schedule of its own. The first failure is repeated with fewer and fewer
    faults, and the shortest schedule is reported.

        async def every_order_is_charged_once(simulation: Simulation) -> None:
            provider = Provider()
            await simulation.start(lambda process: shop(process, simulation.outside(provider)))
            await simulation.client().dispatch(Place(order_id="a"), idempotency_key="1")
            await simulation.settle()
            assert provider.charges == {"a": 1}

        simulate(every_order_is_charged_once, store=InMemory, schedules=2_000)

    Args:
        scenario: an async function. An error that it raises is a failure.
        store: creates the store of a run, such as `InMemory`.
        schedules: the number of schedules.
        seed: the seed of the first schedule; the others follow.
        faults: what may happen; by default everything.
        workers: the number of processes that share the schedules, by `fork`.
        repeat: a schedule that an earlier failure printed. Only this one runs.
        longest: the longest virtual time of a run, in seconds.

    Raises:
        SimulationFailed: the scenario failed under a schedule.
    """
    runner = _Runner(scenario, store, longest)
    if repeat is not None:
        schedule = Schedule.parse(repeat)
        runner.report(None, schedule)
        return Simulated(1, len(schedule))
    seeds = [range(seed + first, seed + schedules, workers) for first in range(workers)]
    with _silent():
        explored = _in_processes(runner, faults, seeds) if workers > 1 else [runner.explore(faults, seeds[0])]
        failed = min((each.failed for each in explored if each.failed is not None), default=None)
        if failed is None:
            return Simulated(schedules, sum(each.faults for each in explored))
        choices = Exploring(failed, faults)
        runner.failure(choices)
        shortest = runner.shrunk(choices.taken)
    runner.report(failed, shortest)
    raise SimulationFailed(
        f"seed {failed} fails, but not when its schedule is repeated. The scenario, or the application, is not the same in "
        "each run: it uses the real time, random numbers, or objects of an earlier run.", failed, str(shortest),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Explored:
    """The result of an exploration: the first seed that fails, and the number of faults until then."""

    failed: int | None
    faults: int


def _in_processes(runner: _Runner, faults: Sequence[Kind], seeds: Sequence[range]) -> Sequence[_Explored]:
    """Explore in several processes. They are forked, because a scenario may be a function inside of a function."""
    context = ForkContext()
    processes, results = list[ForkProcess](), list[Connection]()
    for share in seeds:
        result, sender = context.Pipe(duplex=False)
        process = context.Process(
            target=lambda send, share: send(runner.explore(faults, share)), args=(sender.send, share)
        )
        process.start()
        sender.close()  # so that a process that dies ends the wait for its result
        processes.append(process)
        results.append(result)
    explored: list[_Explored] = [each.recv() for each in results]
    for process in processes:
        process.join()
    return explored


class _Runner:
    def __init__(self, scenario: SimulatedScenario, store: StoreFactory, longest: float) -> None:
        self._scenario = scenario
        self._store = store
        self._longest = longest

    def failure(self, choices: Choices) -> Exception | None:
        """Run the scenario once; return its error."""
        loop, state = virtual_loop(self._longest), random.getstate()
        random.seed(0)
        try:
            loop.run(self._run(loop, choices))
        except Exception as error:  # noqa: BLE001 -- a failure of the scenario is what a simulation looks for
            return error
        finally:
            random.setstate(state)
            loop.close()
        return None

    def explore(self, faults: Sequence[Kind], seeds: range) -> _Explored:
        """Run the scenario with each seed, until it fails."""
        found = 0
        for seed in seeds:
            choices = Exploring(seed, faults)
            if self.failure(choices) is not None:
                return _Explored(seed, found)
            found += len(choices.taken)
        return _Explored(None, found)

    async def _run(self, loop: VirtualLoop, choices: Choices) -> None:
        simulation = Simulation(loop, choices, self._store)
        try:
            await self._scenario(simulation)
        finally:
            choices.calm = True
            await simulation.end()
            await loop.shutdown_asyncgens()

    def shrunk(self, schedule: Schedule) -> Schedule:
        """Return the shortest schedule found that fails too. Large parts are left out first, single faults last."""
        left, size = _SHRINKING, len(schedule)
        while size and left:
            for part in _parts(schedule, size):
                candidate = schedule.without(part)
                choices = Repeating(candidate)
                left -= 1
                if self.failure(choices) is not None:
                    schedule = choices.taken
                    break
                if not left:
                    break
            else:
                size //= 2
            size = min(size, len(schedule))
        return schedule

    def report(self, seed: int | None, schedule: Schedule) -> None:
        """Run a schedule, and raise its failure."""
        error = self.failure(Repeating(schedule))
        if error is None:
            return
        name = getattr(self._scenario, "__qualname__", repr(self._scenario))
        steps = "\n".join(f"  {point.label}, call {point.number}: {_WORDS[fault.kind]}{_seconds(fault)}"
                          for point, fault in schedule.items())  # fmt: skip
        text = (
            f"{name} fails{'' if seed is None else f' with seed {seed}'}: {type(error).__name__}: {error}\n"
            f"{'It fails without any fault.' if not schedule else 'The shortest schedule found under which it fails:'}\n"
            f"{steps}\nRepeat it with simulate(..., repeat={str(schedule)!r})."
        )
        raise SimulationFailed(text, seed, str(schedule)) from error


_WORDS: Final[dict[Kind, str]] = {
    "delay": "begins later by ",
    "fail": "the store refuses it (TransientFailure)",
    "crash": "the process crashes instead",
    "commit-crash": "it commits, and then the process crashes",
    "commit-unknown": "it commits, and the answer is lost (CommitUnknown)",
    "lose-unknown": "it does not commit, and the answer is lost (CommitUnknown)",
}


def _seconds(fault: Fault) -> str:
    return f"{fault.seconds:g} s" if fault.kind == "delay" else ""


def _parts(schedule: Schedule, size: int) -> Iterator[dict[Point, Fault]]:
    entries = list(schedule.items())
    for start in range(0, len(entries), size):
        yield dict(entries[start : start + size])


@contextmanager
def _silent() -> Iterator[None]:
    """Silence the log lines about faults that are part of a simulation."""
    logger = logging.getLogger("twofold")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
