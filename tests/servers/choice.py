"""Which adapters the tests run over on this machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from functools import cache
from urllib.parse import urlsplit

from .finding import demanded
from .kind import Kind
from .mysql import MySQL
from .postgresql import PostgreSQL
from .rabbitmq import RabbitMQServer
from .redis import Redis
from .untested import UNTESTED

_REDIS = Redis()
SERVERS: dict[str, Kind] = {
    "postgresql": PostgreSQL(),
    "mariadb": MySQL(),
    "redis": _REDIS,
    "redis-streams": _REDIS,
    "rabbitmq": RabbitMQServer(),
}
"""The server that an adapter needs, by the adapter's name. Adapters that need none are not listed."""


def runnable(adapters: Iterable[str], promise: str) -> list[str]:
    """Return the adapters, or pairs such as "sqlite>redis", whose servers may be found.

    Tests on other adapters would all be skipped. Collecting them takes time, so they are left out.

    Args:
        adapters: the adapters.
        promise: the promise that the tests check. The summary of the run lists it for missing servers.
    """
    found: list[str] = []
    for adapter in adapters:
        lacking = [name for name in adapter.split(">") if name in SERVERS and not _may_be_found(name)]
        for name in lacking:
            UNTESTED.add(SERVERS[name].name, promise)
        found += [] if lacking else [adapter]
    return found


def kinds() -> list[Kind]:
    """Return the kinds of servers."""
    return list({kind.name: kind for kind in SERVERS.values()}.values())


@cache
def _may_be_found(name: str) -> bool:
    """Return whether a server is worth looking for.

    All processes of a run must reach the same result, so this function does not log in.
    """
    kind = SERVERS[name]
    return demanded(os.environ) or bool(os.environ.get(kind.variable)) or kind.installed() or _listens(kind.usual)


def _listens(url: str) -> bool:
    place = urlsplit(url)
    try:
        socket.create_connection((place.hostname, place.port), timeout=5).close()
    except OSError:
        return False
    return True
