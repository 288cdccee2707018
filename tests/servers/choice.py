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

_REDIS = Redis()
SERVERS: dict[str, Kind] = {
    "postgresql": PostgreSQL(),
    "mariadb": MySQL(),
    "redis": _REDIS,
    "redis-streams": _REDIS,
    "rabbitmq": RabbitMQServer(),
}
"""The server that an adapter needs, by the adapter's name. Adapters that need none are not listed."""


def runnable(adapters: Iterable[str]) -> list[str]:
    """Return the adapters, or pairs such as "sqlite>redis", whose servers may be found.

    Tests on other adapters could only be skipped, one by one; they are not even collected, which takes its time too.
    """
    return [each for each in adapters if all(name not in SERVERS or _may_be_found(name) for name in each.split(">"))]


def missing() -> list[Kind]:
    """Return the kinds of servers that are not found."""
    return list({kind.name: kind for name, kind in SERVERS.items() if not _may_be_found(name)}.values())


@cache
def _may_be_found(name: str) -> bool:
    """Tell whether it is worth looking: each process of a run must come to the same answer, so nobody logs in here."""
    kind = SERVERS[name]
    return demanded(os.environ) or bool(os.environ.get(kind.variable)) or kind.installed() or _listens(kind.usual)


def _listens(url: str) -> bool:
    place = urlsplit(url)
    try:
        socket.create_connection((place.hostname, place.port), timeout=5).close()
    except OSError:
        return False
    return True
