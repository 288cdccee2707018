"""Twofold on Redis: read models, cache, streams and hints."""

from twofold.errors import MissingDependency

try:
    import redis.asyncio as _redis  # noqa: F401
except ImportError as _error:
    raise MissingDependency("pip install 'twofold[redis]'") from _error

from ._cache.cache import RedisCache
from ._hints import RedisHints
from ._store import Redis
from ._streams.transport import RedisStreams

__all__ = ["Redis", "RedisCache", "RedisHints", "RedisStreams"]
