from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.leases import LEASES
from tests.stores import READ_STORES
from twofold.testing.conformance import LeaseSuite


class TestMutants(MutantSuite):
    """Broken leases."""

    suite = LeaseSuite
    mutants = LEASES
    kinds = READ_STORES
