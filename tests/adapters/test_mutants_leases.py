from __future__ import annotations

from tests.stores import on_read_stores
from twofold.testing.conformance import LeaseSuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._leases import LEASES


@on_read_stores
class TestMutants(MutantSuite):
    """Broken leases, over every adapter."""

    suite = LeaseSuite
    mutants = LEASES
