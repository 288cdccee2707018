"""An adapter that is broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twofold.ports import WriteStore


@dataclass(frozen=True, slots=True)
class Mutant:
    """A way to break any store, and the test that has to notice.

    Attributes:
        name: what is broken, in words.
        killed_by: the method of the suite that fails on it.
        break_store: wraps a store.
    """

    name: str
    killed_by: str
    break_store: Callable[[WriteStore], WriteStore]


@dataclass(frozen=True, slots=True)
class PortMutant:
    """The same for an adapter of a port that is no store.

    Attributes:
        name: what is broken, in words.
        killed_by: the method of the suite that fails on it.
        broken: wraps an adapter.
    """

    name: str
    killed_by: str
    broken: Callable[[Any], Any]
