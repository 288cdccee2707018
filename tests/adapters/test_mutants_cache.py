from __future__ import annotations

import pytest

from tests.caches import CACHES
from tests.mutants.cache import CACHES as BROKEN
from tests.mutants.cache import Unbroken
from tests.mutants.port_harness import PortMutantSuite
from twofold.testing.conformance import CacheSuite, NewCache


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
