"""Choose what happens at each point of a run: at random from a seed, or as a schedule says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Final, Protocol, get_args

from .faults import Fault, Kind, Point, Schedule

_DELAYS: Final = (0.001, 0.001, 0.02, 0.5, 4.0)
"""Virtual seconds: a turn of the other tasks, a batch, a retry, a lease of 3 s."""

_RATES: Final = (0.0, 0.005, 0.02, 0.05, 0.2)
"""The probabilities of a fault at one point. A run draws one for each kind of fault, so that runs differ in kind."""

_FAULTS: Final = (1, 2, 3, 5, 8)
"""The largest numbers of faults of a run. Few faults find most errors, at fewer points than many would reach."""

_CRASHES: Final = (0, 0, 1, 1, 2)
"""The largest numbers of crashes among them: a start takes longer than anything else."""


class Choices(Protocol):
    """Choose what happens at each point.

    Attributes:
        taken: what happened so far.
        calm: whether nothing happens any more.
    """

    taken: Schedule
    calm: bool

    def at(self, label: str, kinds: Sequence[Kind]) -> Fault | None:
        """Return the fault at the next point with a label; None if nothing happens.

        Args:
            label: the label of the point.
            kinds: what may happen there.
        """
        ...


class Exploring:
    """Choose at random.

    Args:
        seed: the seed. Equal seeds choose alike.
        kinds: what may happen.
    """

    def __init__(self, seed: int, kinds: Sequence[Kind]) -> None:
        self.taken = Schedule()
        self.calm = False
        self._random = random = Random(seed)  # noqa: S311 -- a schedule is not a secret
        self._rates = {kind: random.choice(_RATES) if kind in kinds else 0.0 for kind in get_args(Kind)}
        self._faults, self._crashes = random.choice(_FAULTS), random.choice(_CRASHES)
        self._counts = Counter[str]()

    def at(self, label: str, kinds: Sequence[Kind]) -> Fault | None:
        """Return the fault at the next point with a label; None if nothing happens."""
        self._counts[label] += 1
        if self.calm or len(self.taken) == self._faults:
            return None
        for kind in kinds:
            if self._random.random() < self._rates[kind]:
                return self._take(Point(label, self._counts[label]), kind)
        return None

    def _take(self, point: Point, kind: Kind) -> Fault | None:
        if "crash" in kind:
            if not self._crashes:
                return None
            self._crashes -= 1
        self.taken[point] = fault = Fault(kind, self._random.choice(_DELAYS) if kind == "delay" else 0.0)
        return fault


class Repeating:
    """Choose what a schedule says.

    Args:
        schedule: the schedule.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.taken = Schedule()
        self.calm = False
        self._schedule = schedule
        self._counts = Counter[str]()

    def at(self, label: str, kinds: Sequence[Kind]) -> Fault | None:
        """Return the fault at the next point with a label; None if nothing happens."""
        self._counts[label] += 1
        point = Point(label, self._counts[label])
        fault = self._schedule.get(point)
        if fault is None or self.calm or fault.kind not in kinds:
            return None
        self.taken[point] = fault
        return fault
