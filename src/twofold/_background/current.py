"""The innermost handler that runs in the current task, for code that gets no parameter from it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

current: ContextVar[Any] = ContextVar("twofold.current", default=None)
"""The dispatching object: a session or a handler.

Its `scope` is the scope of the handler, or None outside of handlers. Its `recorded` is a list of the events that aggregates
record for the handler, or None outside of handlers.
"""


def handling() -> Any:
    """Return the scope of the innermost handler, or None outside of handlers."""
    caller = current.get()
    return None if caller is None else caller.scope
