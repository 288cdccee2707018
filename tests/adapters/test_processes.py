from __future__ import annotations

from tests.stores import STORES
from twofold.testing.conformance import ProcessRecordSuite, ProcessSuite


class TestProcesses(ProcessSuite):
    """Processes, on every adapter."""

    kinds = STORES


class TestProcessRecords(ProcessRecordSuite):
    """The records of processes, on every adapter."""

    kinds = STORES
