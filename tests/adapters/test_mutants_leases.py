from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.leases import LEASES
from tests.stores import on_read_stores
from twofold.testing.conformance import LeaseSuite


@on_read_stores
class TestMutants(MutantSuite):
    """Broken leases, over every adapter."""

    suite = LeaseSuite
    mutants = LEASES
