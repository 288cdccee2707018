from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.records import RECORDS
from twofold.testing.conformance import RecordSuite


class TestMutants(MutantSuite):
    """Broken records of what was done once."""

    suite = RecordSuite
    mutants = RECORDS
