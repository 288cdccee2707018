"""Places in the source code, to report faults with file and line."""

from __future__ import annotations

import inspect
import linecache
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, NamedTuple

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


def here(frame: FrameType) -> Place:
    """Return the place of the current line of a frame."""
    return Place(frame.f_code.co_filename, frame.f_lineno)


def local_names(frame: FrameType, handler: object) -> dict[str, Any]:
    """Return the local names of the functions around a frame, and around a handler, that are still running."""
    module = sys.modules.get(getattr(handler, "__module__", None) or "")
    defined_in = vars(module) if module is not None else {}
    inside = [(frame.f_globals, frame.f_code.co_qualname), (defined_in, getattr(handler, "__qualname__", ""))]
    names: dict[str, Any] = {}
    above: FrameType | None = frame
    while above is not None:
        around = above.f_code.co_qualname
        if above.f_locals is not above.f_globals and any(
            above.f_globals is known and (path == around or path.startswith(f"{around}.<locals>."))
            for known, path in inside
        ):
            names = {**above.f_locals, **names}
        above = above.f_back
    return names


def place_of(thing: object, fallback: Place) -> Place:
    """Return the place where a function or class is defined, or the fallback if its source is not available."""
    target = inspect.unwrap(thing) if callable(thing) else thing
    code = getattr(target, "__code__", None)
    if code is not None:
        return Place(code.co_filename, code.co_firstlineno)
    defined = target if isinstance(target, type) else type(target)
    file = getattr(sys.modules.get(defined.__module__), "__file__", None)
    line = _line(linecache.getlines(file), defined.__qualname__) if file else None
    return Place(file, line) if file and line else fallback


def _line(lines: Sequence[str], qualname: str) -> int | None:
    """Return the line of a `class` statement.

    The text is searched for the definitions that the qualified name lists, one inside the other. `inspect` parses the
    whole module for each class, and CPython 3.11 fails to parse in several threads at the same time
    (https://github.com/python/cpython/issues/106905).
    """
    outer, *inner = qualname.replace(".<locals>", "").split(".")
    found = min(_definitions(lines, outer), key=lambda each: each.indent, default=None)
    for name in inner:
        if found is not None:
            after, indent = found
            found = next((each for each in _definitions(lines, name, after) if each.indent > indent), None)
    return None if found is None else found.line


class _Definition(NamedTuple):
    line: int
    indent: int


def _definitions(lines: Sequence[str], name: str, after: int = 0) -> Iterator[_Definition]:
    statement = re.compile(rf"([ \t]*)(?:class|(?:async[ \t]+)?def)[ \t]+{re.escape(name)}\b")
    matches = ((number, statement.match(line)) for number, line in enumerate(lines[after:], after + 1))
    return (_Definition(number, len(match[1])) for number, match in matches if match)
