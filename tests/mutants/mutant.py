"""An adapter that is broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Mutant:
    """A way to break an adapter, and the test that has to notice.

    Attributes:
        name: what is broken, in words.
        killed_by: the method of the suite that fails on it.
        broken: returns what a suite gets in place of the adapter, or of what opens connections to a broker.
    """

    name: str
    killed_by: str
    broken: Callable[[Any], Any]
