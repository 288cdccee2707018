"""The cache."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from typing import Final
from uuid import uuid4

from twofold.errors import TransientFailure
from twofold.ports import Cached, CacheLease, Position

from ._errors import TRANSLATED, translated
from ._server import AnyClient, Argument, Script, Server, checked

_LEASE: Final = 60_000
"""How long a lease is good, in milliseconds: what takes longer to load is not kept."""

_AT_ONCE: Final = 50
"""How many calls are under way at a time: half of what a client's pool allows by default."""

_NEWER: Final = """
local function newer(one, other)
  local position, log = string.match(one, '^(%d+) ([^\\n]*)')
  local position2, log2 = string.match(other, '^(%d+) ([^\\n]*)')
  if log ~= log2 then return false end
  return #position > #position2 or (#position == #position2 and position > position2)
end
"""

_TAKE: Final = Script("""
redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
return redis.call('GET', KEYS[1])
""")

_FILL: Final = Script(
    _NEWER
    + """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local kept = redis.call('GET', KEYS[1])
if kept and newer(kept, ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
)


class RedisCache:
    """Keep answers in Redis, for all processes: a hit is one GET.

        app = Application("orders", write=SqlAlchemy(engine), cache=RedisCache(client))

    Redis may forget any of them at any moment. A cache may have a server of its own, with `maxmemory-policy allkeys-lru`;
    that of a `Redis` read store must not forget.

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
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._server = Server(client)
        self._prefix = prefix

    async def lookup(self, key: str, *, at_least: Position | None = None) -> Cached | CacheLease:
        """Return what is kept, or the lease to fill it in."""
        value, lease = self._names(key)
        try:
            async with asyncio.timeout(self._timeout), self._turns:
                found = await self._server.command("look into the cache", "GET", value)
                if found is not None:
                    cached = _decode(found)
                    if at_least is None or cached.position >= at_least:
                        return cached
                mark = await self._server.run(_TAKE, [lease], [uuid4().hex, _LEASE], "look into the cache")
                return CacheLease(key, mark.decode())
        except TimeoutError as error:
            raise self._late("look into the cache") from error

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        """Keep an answer, if the lease is good and none is newer."""
        milliseconds = max(1, round(seconds * 1000))
        arguments: list[Argument] = [lease.mark, _encode(answer), milliseconds]
        try:
            async with asyncio.timeout(self._timeout), self._turns:
                return bool(await self._server.run(_FILL, self._names(lease.key), arguments, "fill the cache"))
        except TimeoutError as error:
            raise self._late("fill the cache") from error

    async def invalidate(self, keys: Sequence[str]) -> None:
        """Forget answers and leases."""
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.unlink(*self._names(key))
        try:
            async with asyncio.timeout(self._timeout * 10):
                await pipeline.execute()
        except TimeoutError as error:
            raise self._late("invalidate cached answers") from error
        except TRANSLATED as error:
            raise translated(error, "invalidate cached answers") from error

    def _late(self, attempt: str) -> TransientFailure:
        return TransientFailure(
            f"cannot {attempt}: Redis did not answer in time. See whether it is busy, or raise timeout=."
        )

    def _names(self, key: str) -> list[str]:
        """Return where the answer and the lease of a key are: in one slot of a cluster, spread by key."""
        if "{" in key or "}" in key:
            key = sha256(key.encode()).hexdigest()
        return [f"{self._prefix}:cache:{{{key}}}", f"{self._prefix}:cache:{{{key}}}:lease"]


def _encode(answer: Cached) -> str:
    return f"{answer.position} {answer.log}\n{answer.text}"


def _decode(value: bytes) -> Cached:
    head, _, text = value.decode().partition("\n")
    position, _, log = head.partition(" ")
    return Cached(text, Position(int(position)), log)
