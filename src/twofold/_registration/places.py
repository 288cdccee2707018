"""Faults in the wiring of an application, and where they are."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from types import FrameType

from ..errors import Fault


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the source.

    Attributes:
        file: the source file.
        line: the line in it, from 1.
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
    """Return where a function or class is defined, or the fallback for one that has no source."""
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
