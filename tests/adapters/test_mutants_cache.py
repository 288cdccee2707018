from __future__ import annotations

import pytest

from tests.caches import CACHES
from twofold.testing.conformance import CacheSuite, NewCache
from twofold.testing.conformance.mutants._cache import CACHES as BROKEN
from twofold.testing.conformance.mutants._cache import Unbroken
from twofold.testing.conformance.mutants._port_harness import PortMutantSuite


@pytest.fixture(params=CACHES)
def kind(request: pytest.FixtureRequest) -> str:
    """Name the adapter of a test."""
    return str(request.param)


@pytest.fixture
def new_adapter(new_cache: NewCache) -> NewCache:
    """Open caches."""
    return new_cache


class TestMutants(PortMutantSuite):
    """Caches that are broken, over every adapter."""

    suite = CacheSuite
    mutants = BROKEN
    unbroken = Unbroken
