"""Faults: what may happen at a point of a program, and the text of a schedule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Self, TypeAlias, cast, get_args

Kind: TypeAlias = Literal["delay", "fail", "crash", "commit-crash", "commit-unknown", "lose-unknown"]
"""What happens at a point.

delay: the call begins later. fail: the store refuses the call with a `TransientFailure`. crash: the process ends before the
call. commit-crash: the transaction commits, and then the process ends. commit-unknown: the transaction commits, and its
caller gets `CommitUnknown`. lose-unknown: the transaction is rolled back, and its caller gets `CommitUnknown`.
"""

_TEXT: Final = re.compile(rf"(?P<point>.+)#(?P<number>\d+)=(?P<kind>{'|'.join(get_args(Kind))})(:(?P<seconds>[\d.]+))?")


class Point(NamedTuple):
    """A point of a program: the n-th call of one kind.

    Attributes:
        label: the kind of call, such as "commit order-1".
        number: its number among the calls with this label, from 1.
    """

    label: str
    number: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at a point.

    Attributes:
        kind: what happens.
        seconds: the duration of a delay, in virtual time.
    """

    kind: Kind
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind}:{self.seconds:g}" if self.kind == "delay" else self.kind


class Schedule(dict[Point, Fault]):
    """The faults of one run, by point. Nothing happens at other points."""

    def __str__(self) -> str:
        return "; ".join(f"{point.label}#{point.number}={fault}" for point, fault in self.items())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the schedule of a text.

        Raises:
            ValueError: the text is not one that a schedule prints.
        """
        schedule = cls()
        for part in filter(None, (each.strip() for each in text.split(";"))):
            found = _TEXT.fullmatch(part)
            if found is None:
                raise ValueError(
                    f"{part!r} is not a step of a schedule. Pass the text that a failed simulation printed, such as "
                    "'commit order-1#1=crash'."
                )
            kind = cast(Kind, found["kind"])
            schedule[Point(found["point"], int(found["number"]))] = Fault(kind, float(found["seconds"] or 0))
        return schedule

    def without(self, points: Mapping[Point, object]) -> Schedule:
        """Return the schedule without some of its points."""
        return Schedule({point: fault for point, fault in self.items() if point not in points})
