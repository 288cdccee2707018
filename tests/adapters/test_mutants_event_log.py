from __future__ import annotations

from twofold.testing.conformance import EventLogSuite
from twofold.testing.conformance.mutants._event_log import EVENT_LOG
from twofold.testing.conformance.mutants._harness import MutantSuite


class TestMutants(MutantSuite):
    """Broken event logs, over every adapter."""

    suite = EventLogSuite
    mutants = EVENT_LOG
