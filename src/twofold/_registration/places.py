"""Places in the source code, to report faults with file and line."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from types import FrameType

from ..errors import Fault


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the source code.

    Attributes:
        file: the source file.
        line: the line in that file, from 1.
    """

    file: str
    line: int

    def fault(self, message: str) -> Fault:
        return Fault(self.file, self.line, message)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def calling_frame(depth: int) -> FrameType:
    """Return the frame `depth` calls above the caller."""
    return sys._getframe(depth + 1)


def place_of(thing: object, fallback: Place) -> Place:
    """Return the place where a function or class is defined, or the fallback if its source is not available."""
    target = inspect.unwrap(thing) if callable(thing) else thing
    code = getattr(target, "__code__", None)
    if code is not None:
        return Place(code.co_filename, code.co_firstlineno)
    try:
        if not inspect.isclass(target):
            target = type(target)
        return Place(inspect.getsourcefile(target) or fallback.file, inspect.getsourcelines(target)[1])
    except (OSError, TypeError):
        return fallback
