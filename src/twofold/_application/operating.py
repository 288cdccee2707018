"""The base of the operations: the running application that they work on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._background.shown import shown

if TYPE_CHECKING:
    from .running import Running


def check_number(attempt: str, name: str, value: Any, least: int, most: int | None) -> None:
    """Check an argument of an operation.

    Raises:
        ValueError: the value is not an int, or is out of range.
    """
    if type(value) is int and value >= least and (most is None or value <= most):
        return
    limits = f"at least {least}" if most is None else f"from {least} to {most}"
    raise ValueError(f"cannot {attempt} with {name}={shown(value)}: {name} must be an int {limits}.")


class Operating:
    """Operations on a running application.

    Args:
        running: returns the running application, or raises `ApplicationNotRunning`.
    """

    def __init__(self, running: Callable[[], Running]) -> None:
        self._running = running
