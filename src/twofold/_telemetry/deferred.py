"""Work of telemetry that is done together, after a few blocks have ended.

The code of the SDK is large. One call between two commands finds it outside of the caches of the processor, and takes two to
five times as long as the next call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

_SECONDS: Final = 0.05
"""How long work waits at most."""

_MOST: Final = 64
"""How much work waits at most: about a millisecond of it."""


class Deferred:
    """Calls functions soon, in the order in which they were added, on the event loop that added them.

    Without an asyncio event loop, a function is called immediately.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def add(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call a function soon."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            function(*arguments)
            return
        if loop is not self._loop:
            self.flush()
            self._loop = loop
        self._waiting.append((function, arguments))
        if self._timer is None:
            self._timer = loop.call_later(_SECONDS, self.flush)
        elif len(self._waiting) >= _MOST:
            self.flush()

    def flush(self) -> None:
        """Call all functions that wait."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        for function, arguments in waiting:
            function(*arguments)
