from __future__ import annotations

from twofold.testing.conformance import LeaseSuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._leases import LEASES


class TestMutants(MutantSuite):
    """Broken leases, over every adapter."""

    suite = LeaseSuite
    mutants = LEASES
