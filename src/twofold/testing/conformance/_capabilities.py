"""What an adapter cannot do, said in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Which cases of the suites apply to an adapter; the defaults are what a full adapter does.

    Attributes:
        several_writers: whether two transactions can hold writes open at the same time. Where writers take turns, the
            cases that need both open are run one after the other.
        savepoints: whether `savepoint` undoes what was written inside.
        exact_decimals: whether decimals of more than 15 significant digits are compared exactly.
    """

    several_writers: bool = False
    savepoints: bool = True
    exact_decimals: bool = True
