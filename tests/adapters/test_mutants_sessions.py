from __future__ import annotations

from twofold.testing.conformance import SessionSuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._sessions import SESSIONS


class TestMutants(MutantSuite):
    """Stores with broken sessions, over every adapter."""

    suite = SessionSuite
    mutants = SESSIONS
