"""The cache of query answers in Redis."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from functools import lru_cache
from random import getrandbits
from time import monotonic
from typing import Final
from urllib.parse import quote
from uuid import UUID

from twofold.ports import Cached, CacheKey, CacheLease, Position

from .._server.keys import checked_prefix
from .._server.lua import SURE
from .._server.server import AnyClient, Argument, Server, checked
from .limited_calls import LimitedCalls, too_late
from .scripts import FILL, LOOKUP

_LEASE: Final = 60_000
"""The lifetime of a lease without an answer, in milliseconds. An answer that takes longer to load is not stored."""

_CONCURRENT: Final = 50
"""The largest number of concurrent calls: half of the connections of a client's pool by default."""

_BATCH: Final = 1_000
"""The number of keys that one call deletes."""

_PLAIN: Final = re.compile(r"[\w.~:/@-]*", re.ASCII).fullmatch

_LITERAL: Final = re.compile(r"([*?\[\]\\])")
_ESCAPED: Final = r"\\\1"
"""The special characters of a pattern of Redis, and how they are escaped."""


class RedisCache:
    """Cache answers in Redis, for all processes. A hit is one MGET.

        app = Application("orders", write=SqlAlchemy(engine), cache=RedisCache(client))

    Redis may evict any answer at any time. A cache may have a server of its own with `maxmemory-policy allkeys-lru`; the
    server of a `Redis` read store must not evict keys. After a restart or a failover of the server, no answer from before is
    used, and so persistence is of no use to a cache. A process notices a restart within a tenth of a second. The account of
    the client needs permission for `INFO`.

    Args:
        client: an asyncio client of a server or a cluster. The caller closes it.
        prefix: the prefix of all keys.
        timeout: the timeout of a call, in seconds; ten times as long for invalidations, for which no query waits.

    Raises:
        ConfigurationError: the client is not an asyncio client, or the prefix is not valid.
    """

    def __init__(self, client: AnyClient, *, prefix: str = "twofold", timeout: float = 0.25) -> None:
        self._timeout = timeout
        self._calls = LimitedCalls(_CONCURRENT, timeout)
        self._server = Server(checked(client, "RedisCache"))
        self._prefix = f"{checked_prefix(prefix, 'RedisCache')}:cache:"
        self._sure: dict[bytes, float] = {}
        """Until when the run ids of the servers are trusted, by the monotonic clock."""
        self._latest = 0.0

    async def lookup(
        self, key: CacheKey, tenant: str | None = None, *, at_least: Position | None = None
    ) -> Cached | CacheLease:
        """Return the stored answer, or the lease to fill it in."""
        names, attempt, now = self._names(key, tenant), "look up a cached answer", monotonic()
        if now < self._latest:
            kept, mark = await self._calls.run(attempt, lambda: self._server.send("MGET", *names))
            found = self._read(kept, mark, now)
            if found is not None and (at_least is None or found.position >= at_least):
                return found
        arguments: list[Argument] = [f"{getrandbits(128):x}", _LEASE, "" if at_least is None else str(at_least)]
        kept, mark = await self._calls.run(attempt, lambda: self._server.raw(LOOKUP, names, arguments))
        self._sure = {run: until for run, until in self._sure.items() if until > now}
        self._sure[_run_of(mark)] = self._latest = now + SURE
        if kept is None:
            return CacheLease(key, tenant, mark.decode())
        found = self._read(kept, mark, now)
        if found is not None:
            return found
        await self.invalidate([key])  # another program wrote the value
        return await self.lookup(key, tenant, at_least=at_least)

    def _read(self, kept: bytes | None, mark: bytes | None, now: float) -> Cached | None:
        """Return an answer that was filled under the current mark, in the current run of the server, and can be decoded."""
        if kept is None:
            return None
        try:
            head, text = kept.split(b"\n", 1)
            found, run, position, event, log = _head(head)
            if found == mark and self._sure.get(run, 0.0) > now:
                return Cached(text.decode(), position, log, event)
        except ValueError:
            pass
        return None

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        """Store an answer, if the lease is valid and the answer is newer than the stored one."""
        names, attempt = self._names(lease.key, lease.tenant), "store a cached answer"
        text, milliseconds = answer.text.encode(), max(1, round(seconds * 1000))
        event = "-" if answer.event is None else answer.event.hex
        arguments: list[Argument] = [
            *(lease.mark, str(answer.position), event, answer.log.encode(), text, milliseconds)
        ]
        return bool(await self._calls.run(attempt, lambda: self._server.raw(FILL, names, arguments)))

    async def invalidate(self, keys: Sequence[CacheKey]) -> None:
        """Delete the answers and leases of keys."""
        await self._unlink([self._names(key, None)[1] for key in keys])

    async def invalidate_queries(self, queries: Sequence[str]) -> None:
        """Delete the answers and leases of whole queries. Their keys are found by a scan."""
        for query in queries:
            pattern = f"{_LITERAL.sub(_ESCAPED, self._prefix)}{{{_plain(query)} *}}:mark"
            marks = await self._server.scan("invalidate cached answers", pattern, _BATCH)
            for first in range(0, len(marks), _BATCH):
                await self._unlink(marks[first : first + _BATCH])

    async def _unlink(self, marks: Sequence[Argument]) -> None:
        attempt = "invalidate cached answers"
        try:
            async with asyncio.timeout(self._timeout * 10):
                # One command a key, because the keys of a cluster are in several slots.
                await self._server.each_command(attempt, [("UNLINK", mark) for mark in marks])
        except TimeoutError as error:
            raise too_late(attempt) from error

    def _names(self, key: CacheKey, tenant: str | None) -> tuple[bytes, bytes]:
        return _names(self._prefix, key.query, key.key, tenant)


@lru_cache(maxsize=4_096)
def _names(prefix: str, query: str, key: str, tenant: str | None) -> tuple[bytes, bytes]:
    """Return the keys of an answer and of its mark. Both are in one slot of a cluster, which depends on the key."""
    base = f"{prefix}{{{_plain(query)} {_plain(key)}}}"
    return (
        f"{base}:answer".encode() if tenant is None else f"{base}:of:{_plain(tenant)}".encode(),
        f"{base}:mark".encode(),
    )


@lru_cache(maxsize=4_096)
def _head(head: bytes) -> tuple[bytes, bytes, Position, UUID | None, str]:
    """Return the mark, its run, the position, the event and the log of an answer. Hits of one answer have the same head.

    Raises:
        ValueError: another program wrote the value.
    """
    mark = head.split(b" ", 1)[0]
    _, position, event, log = head.decode().split(" ", 3)
    return mark, _run_of(mark), Position(int(position)), None if event == "-" else UUID(event), log


def _run_of(mark: bytes) -> bytes:
    return mark.partition(b":")[0]


def _plain(text: str) -> str:
    """Return a text in ASCII, without braces and spaces."""
    return text if _PLAIN(text) else quote(text, safe=":/@", errors="surrogatepass")
