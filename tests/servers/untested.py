"""The promises that a run does not test because a server is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from .finding import how_to_get
from .kind import Kind


class Untested:
    """Collects promises by the name of the missing server. Each process of a run has one; the first process prints all."""

    def __init__(self) -> None:
        self._promises: dict[str, set[str]] = defaultdict(set)

    def add(self, server: str, promise: str) -> None:
        """Add a promise, such as "Units of work, on every adapter."."""
        self._promises[server].add(_short(promise))

    def add_skipped(self, reason: str, promise: str, kinds: Iterable[Kind]) -> None:
        """Add a promise whose test was skipped, if a server was the reason."""
        for kind in kinds:
            if f"needs {kind.name}, and none answers" in reason:
                self.add(kind.name, promise)

    def merge(self, others: Mapping[str, Iterable[str]]) -> None:
        """Add all promises that another process has collected."""
        for server, promises in others.items():
            self._promises[server].update(promises)

    def sent(self) -> dict[str, list[str]]:
        """Return all promises as plain lists, for another process."""
        return {server: sorted(promises) for server, promises in self._promises.items()}

    def lines(self, kinds: Sequence[Kind]) -> list[str]:
        """Return the summary: for each missing server how to get it, then each promise on a line."""
        found: list[str] = []
        for kind in kinds:
            if promises := sorted(self._promises.get(kind.name, ())):
                found.append(f"{kind.name} was not found. {how_to_get(kind)} These promises were not tested on it:")
                found.extend(f"  - {promise}" for promise in promises)
        return found


UNTESTED = Untested()
"""The promises that this process has not tested."""


def _short(promise: str) -> str:
    """Return the first line without its ending, since all promises of a list have the same one."""
    first = promise.strip().partition("\n")[0].rstrip(".")
    for ending in (", on every adapter", ", over every adapter", ", over every broker", ", over every cache"):
        first = first.removesuffix(ending)
    return first
