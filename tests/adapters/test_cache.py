from __future__ import annotations

from tests.caches import CACHES
from twofold.testing.conformance import CacheSuite


class TestCache(CacheSuite):
    """Lookups, fills and invalidations, over every cache."""

    kinds = CACHES
