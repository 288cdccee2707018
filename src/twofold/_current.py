"""The message that is being handled right here, so that what is dispatched inside it joins its unit of work."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._scope import Scope

current: ContextVar[Scope | None] = ContextVar("twofold.current", default=None)


def handling() -> bool:
    """Return whether a command or reaction is being handled here, so that a dispatch would be a nested one."""
    scope = current.get()
    return scope is not None and scope.joinable
