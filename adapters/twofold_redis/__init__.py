"""Twofold on Redis: read models, cache, streams and notifications."""

from twofold.errors import MissingDependency

try:
    import redis.asyncio as _redis  # noqa: F401
except ImportError as _error:
    raise MissingDependency("pip install 'twofold[redis]'") from _error

from ._cache.cache import RedisCache
from ._notifier import RedisNotifier
from ._store import Redis
from ._streams.transport import RedisStreams

__all__ = ["Redis", "RedisCache", "RedisNotifier", "RedisStreams"]
