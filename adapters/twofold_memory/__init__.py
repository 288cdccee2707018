"""Twofold in memory: every port, in one process, with nothing to install. Data goes through JSON as in any other store."""

from ._cache import InMemoryCache
from ._notifier import InMemoryNotifier
from ._store import InMemory
from ._transport import InMemoryTransport

__all__ = ["InMemory", "InMemoryCache", "InMemoryNotifier", "InMemoryTransport"]
