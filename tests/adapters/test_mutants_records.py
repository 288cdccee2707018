from __future__ import annotations

from twofold.testing.conformance import RecordSuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._records import RECORDS


class TestMutants(MutantSuite):
    """Broken records of what was done once, over every adapter."""

    suite = RecordSuite
    mutants = RECORDS
