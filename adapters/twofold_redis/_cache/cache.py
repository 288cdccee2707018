"""The cache."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from functools import lru_cache
from random import getrandbits
from typing import Any, Final, cast
from urllib.parse import quote

from twofold.ports import Cached, CacheKey, CacheLease, Position

from .._server.errors import TRANSLATED, translated
from .._server.server import AnyClient, Argument, Server, checked
from .scripts import FILL, LOOKUP
from .turns import Turns, too_late

_LEASE: Final = 60_000
"""How long the mark of a key lives that has no answer, in milliseconds: what takes longer to load is not kept."""

_AT_ONCE: Final = 50
"""How many calls are under way at a time: half of what a client's pool allows by default."""

_MANY: Final = 1_000
"""How many keys are forgotten in one step."""

_PLAIN: Final = re.compile(r"[\w.~:/@-]*", re.ASCII).fullmatch

_LITERAL: Final = re.compile(r"([*?\[\]\\])")
_ESCAPED: Final = r"\\\1"
"""What stands for more than itself in a pattern of Redis, and how it stands for itself."""


_SURE: Final = 0.1
"""For how long what Redis said of its run is believed, in seconds. It takes longer to restart, or to be replaced."""


class RedisCache:
    """Keep answers in Redis, for all processes: a hit is one MGET.

        app = Application("orders", write=SqlAlchemy(engine), cache=RedisCache(client))

    Redis may forget any of them at any moment. A cache may have a server of its own, with `maxmemory-policy allkeys-lru`;
    that of a `Redis` read store must not forget. When a server has restarted, or another one has taken over, nothing of what
    was kept before is given, so that persistence is of no use to a cache; a process notices after a tenth of a second. This
    takes the right to call `INFO`.

    Args:
        client: the client, on asyncio, of a server or a cluster; the user closes it.
        prefix: what all keys begin with.
        timeout: how long Redis may take to answer, in seconds; ten times as long where no query waits.

    Raises:
        ConfigurationError: the client is none on asyncio.
    """

    def __init__(self, client: AnyClient, *, prefix: str = "twofold", timeout: float = 0.25) -> None:
        self._client = checked(client, "RedisCache")
        self._timeout = timeout
        self._turns = Turns(_AT_ONCE, timeout)
        self._server = Server(client)
        self._prefix = f"{prefix}:cache:"
        self._sure: dict[bytes, float] = {}
        """Until when the runs of the servers are known to go on, by the clock of the event loop."""
        self._latest = 0.0

    async def lookup(
        self, key: CacheKey, tenant: str | None = None, *, at_least: Position | None = None
    ) -> Cached | CacheLease:
        """Return what is kept, or the lease to fill it in."""
        names, attempt, now = self._names(key, tenant), "look into the cache", asyncio.get_running_loop().time()
        if now < self._latest:
            kept, mark = await self._turns.take(attempt, lambda: self._server.command(attempt, "MGET", *names))
            found = self._read(kept, mark, now)
            if found is not None and (at_least is None or found.position >= at_least):
                return found
        arguments: list[Argument] = [f"{getrandbits(128):x}", _LEASE, "" if at_least is None else str(at_least)]
        kept, mark = await self._turns.take(attempt, lambda: self._server.run(LOOKUP, names, arguments, attempt))
        self._sure = {run: until for run, until in self._sure.items() if until > now}
        self._sure[_run_of(mark)] = self._latest = now + _SURE
        if kept is None:
            return CacheLease(key, tenant, mark.decode())
        found = self._read(kept, mark, now)
        if found is not None:
            return found
        await self.invalidate([key])  # it is no text of ours
        return await self.lookup(key, tenant, at_least=at_least)

    def _read(self, kept: bytes | None, mark: bytes | None, now: float) -> Cached | None:
        """Return an answer that was filled under the mark that stands, in a run that goes on, and can be read."""
        if (
            kept is None
            or mark is None
            or not kept.startswith(mark + b" ")
            or self._sure.get(_run_of(mark), 0.0) <= now
        ):
            return None
        try:
            head, text = kept.decode().split("\n", 1)
            _, position, log = head.split(" ", 2)
            return Cached(text, Position(int(position)), log)
        except ValueError:
            return None

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        """Keep an answer, if the lease is good and it is later than what is there."""
        names, attempt = self._names(lease.key, lease.tenant), "fill the cache"
        text, milliseconds = answer.text.encode(), max(1, round(seconds * 1000))
        arguments: list[Argument] = [lease.mark, str(answer.position), answer.log.encode(), text, milliseconds]
        return bool(await self._turns.take(attempt, lambda: self._server.run(FILL, names, arguments, attempt)))

    async def invalidate(self, keys: Sequence[CacheKey]) -> None:
        """Forget answers and leases."""
        await self._unlink([self._names(key, None)[1] for key in keys])

    async def forget(self, queries: Sequence[str]) -> None:
        """Forget answers and leases of whole queries. Redis is looked through for their keys."""
        for query in queries:
            pattern = f"{_LITERAL.sub(_ESCAPED, self._prefix)}{{{_plain(query)} *}}:mark"
            try:
                marks = [each async for each in cast(Any, self._client).scan_iter(match=pattern, count=_MANY)]
            except TRANSLATED as error:
                raise translated(error, "forget cached answers") from error
            for first in range(0, len(marks), _MANY):
                await self._unlink(marks[first : first + _MANY])

    async def _unlink(self, marks: Sequence[Argument]) -> None:
        pipeline: Any = self._client.pipeline(transaction=False)
        for mark in marks:
            pipeline.execute_command(
                "UNLINK", mark
            )  # unlink() of a cluster's pipeline is a coroutine, and adds nothing
        try:
            async with asyncio.timeout(self._timeout * 10):
                await pipeline.execute()
        except TimeoutError as error:
            raise too_late("invalidate cached answers") from error
        except TRANSLATED as error:
            raise translated(error, "invalidate cached answers") from error

    def _names(self, key: CacheKey, tenant: str | None) -> tuple[str, str]:
        """Return where an answer and its mark are: in one slot of a cluster, spread by key."""
        base = f"{self._prefix}{{{_plain(key.query)} {_plain(key.key)}}}"
        return f"{base}:answer" if tenant is None else f"{base}:of:{_plain(tenant)}", f"{base}:mark"


def _run_of(mark: bytes) -> bytes:
    return mark.partition(b":")[0]


@lru_cache(maxsize=4_096)
def _plain(text: str) -> str:
    """Return any text in letters that every client encodes alike, without braces and spaces."""
    return text if _PLAIN(text) else quote(text, safe=":/@", errors="surrogatepass")
