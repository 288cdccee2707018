"""Test aggregates, processes and applications with given, when and then.

The conformance suites for adapters are in `conformance`.
"""

from ._clock import ManualClock
from ._given import Given, Recorded, given, when
from ._outcome import Failed, Outcome, Scheduled
from ._process import Decided, GivenProcess, ProcessInput, Raised, Reply, TimedOut, given_process
from ._scenario import Scenario

__all__ = [
    "Decided",
    "Failed",
    "Given",
    "GivenProcess",
    "ManualClock",
    "Outcome",
    "ProcessInput",
    "Raised",
    "Recorded",
    "Reply",
    "Scenario",
    "Scheduled",
    "TimedOut",
    "given",
    "given_process",
    "when",
]
