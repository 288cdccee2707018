from __future__ import annotations

import pytest

from tests.caches import CACHES
from twofold.testing.conformance import CacheSuite


@pytest.fixture(params=CACHES)
def kind(request: pytest.FixtureRequest) -> str:
    """Name the adapter of a test."""
    return str(request.param)


class TestCache(CacheSuite):
    """Lookups, fills and invalidations, over every cache."""
