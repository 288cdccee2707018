"""What the answer of a query must be as new as."""

from __future__ import annotations

from contextvars import ContextVar

from .._definitions.position import Position

at_least: ContextVar[Position | None] = ContextVar("twofold.at_least", default=None)
"""What the answer of the query that a session executes has to be as new as."""


def newest(one: Position | None, other: Position | None) -> Position | None:
    """Return what is as new as both."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
