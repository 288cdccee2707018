"""The selection of cases: by default, one case represents several that repeat the same promise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import pytest

from tests.stores import DATABASES

REPRESENTS = "represents"
"""The mark of a case that represents others. Its argument is the number of the others."""


def represented(kinds: Sequence[str], chosen: Sequence[str]) -> list[Any]:
    """Return parameters for the chosen kinds. The first one represents the other kinds."""
    number = len(kinds) - len(chosen)
    if not number or not chosen:
        return list(chosen)
    return [pytest.param(chosen[0], marks=pytest.mark.represents(number)), *chosen[1:]]


def one_database(kinds: Sequence[str], test: str) -> list[Any]:
    """Return parameters for a test of the core: in memory on trio, and on one of the databases, which run on asyncio.

    The name of the test determines the database. So each database takes part in a share of the tests, and each run and
    each process selects the same cases.

    Args:
        kinds: the kinds of stores whose servers may be found.
        test: the name of the test.
    """
    databases = [kind for kind in kinds if kind in DATABASES]
    if not databases:
        return list(kinds)
    selected = "memory-trio", databases[crc32(test.encode()) % len(databases)]
    return represented(kinds, [kind for kind in kinds if kind in selected])


class LeftOut:
    """Counts the cases that only run with `--everywhere`."""

    def __init__(self) -> None:
        self.number = 0

    def add(self, item: pytest.Item) -> bool:
        """Count a case, or the cases that it represents. Return whether it runs."""
        if item.get_closest_marker("everywhere"):
            self.number += 1
            return False
        self.number += sum(mark.args[0] for mark in item.iter_markers(REPRESENTS))
        return True

    def line(self) -> str:
        """Return the line of the summary, or an empty text."""
        return f"{self.number} cases run only with `make test-all` (--everywhere)." if self.number else ""


LEFT_OUT = LeftOut()
"""The cases that this process has left out. All processes of a run leave out the same."""
