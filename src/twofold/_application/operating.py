"""The base of the operations: the running application that they work on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._background.shown import shown

if TYPE_CHECKING:
    from .._integration.inbound import Inbound
    from .running import Running


LARGEST = 2**63 - 1
"""The largest number that every store can compare."""


def check_number(attempt: str, name: str, value: Any, least: int, most: int | None) -> None:
    """Check an argument of an operation.

    Raises:
        ValueError: the value is not an int, or is out of range.
    """
    if type(value) is int and least <= value <= (LARGEST if most is None else most):
        return
    limits = f"at least {least} and below 2**63" if most is None else f"from {least} to {most}"
    raise ValueError(f"cannot {attempt} with {name}={shown(value)}: {name} must be an int {limits}.")


class Operating:
    """Operations on a running application.

    Args:
        running: returns the running application, or raises `ApplicationNotRunning`.
    """

    def __init__(self, running: Callable[[], Running]) -> None:
        self._running = running

    def _inbound(self, consumer: str) -> Inbound:
        """Return what receives for a consumer.

        Raises:
            LookupError: the application has no such consumer.
        """
        found = {each.feed.consumer: each for each in self._running().messaging.inbound}
        if consumer not in found:
            raise LookupError(f"There is no consumer {consumer!r}. Consumers: {', '.join(sorted(found)) or 'none'}.")
        return found[consumer]
