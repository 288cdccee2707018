"""Test aggregates and applications with given, when and then. The conformance suites for adapters are in `conformance`."""

from ._clock import ManualClock
from ._given import Given, Recorded, given, when
from ._outcome import Failed, Outcome, OutsideCall, Scheduled
from ._scenario import Scenario

__all__ = [
    "Failed",
    "Given",
    "ManualClock",
    "Outcome",
    "OutsideCall",
    "Recorded",
    "Scenario",
    "Scheduled",
    "given",
    "when",
]
