"""The base of the operations: the running application that they work on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .running import Running


class Operating:
    """Operations on a running application.

    Args:
        running: returns the running application, or raises `ApplicationNotRunning`.
    """

    def __init__(self, running: Callable[[], Running]) -> None:
        self._running = running
