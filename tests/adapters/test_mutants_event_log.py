from __future__ import annotations

from tests.mutants.event_log import EVENT_LOG
from tests.mutants.harness import MutantSuite
from twofold.testing.conformance import EventLogSuite


class TestMutants(MutantSuite):
    """Broken event logs."""

    suite = EventLogSuite
    mutants = EVENT_LOG
