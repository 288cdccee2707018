from __future__ import annotations

import pytest

from tests.caches import CACHES
from tests.mutants.cache import CACHES as BROKEN
from tests.mutants.cache import Unbroken
from tests.mutants.port_harness import PortMutantSuite
from twofold.testing.conformance import CacheSuite, NewCache


@pytest.fixture
def new_adapter(new_cache: NewCache) -> NewCache:
    """Open caches."""
    return new_cache


class TestMutants(PortMutantSuite):
    """Caches that are broken."""

    suite = CacheSuite
    mutants = BROKEN
    kinds = CACHES
    unbroken = Unbroken
