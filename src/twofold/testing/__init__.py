"""Test aggregates, processes and applications with given, when and then.

The conformance suites for adapters are in `conformance`.
"""

from ._clock import ManualClock
from ._given import Given, Recorded, given, when
from ._outcome import Failed, Outcome, OutsideCall, Scheduled
from ._process import Decided, GivenProcess, ProcessInput, Raised, Reply, TimedOut, given_process
from ._scenario import Scenario
from ._simulation.simulate import Simulated, SimulationFailed, simulate
from ._simulation.simulated_process import ProcessCrashed, SimulatedProcess
from ._simulation.simulation import Client, Simulation

__all__ = [
    "Client",
    "Decided",
    "Failed",
    "Given",
    "GivenProcess",
    "ManualClock",
    "Outcome",
    "OutsideCall",
    "ProcessCrashed",
    "ProcessInput",
    "Raised",
    "Recorded",
    "Reply",
    "Scenario",
    "Scheduled",
    "Simulated",
    "SimulatedProcess",
    "Simulation",
    "SimulationFailed",
    "TimedOut",
    "given",
    "given_process",
    "simulate",
    "when",
]
