from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.sessions import SESSIONS
from twofold.testing.conformance import SessionSuite


class TestMutants(MutantSuite):
    """Stores with broken sessions."""

    suite = SessionSuite
    mutants = SESSIONS
