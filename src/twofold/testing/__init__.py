"""Test aggregates and applications with given, when and then. The conformance suites for adapters are in `conformance`."""

from ._clock import ManualClock
from ._given import Given, Recorded, given, when
from ._outcome import Failed, Outcome, Scheduled
from ._scenario import Scenario
from ._simulation.process import Process, ProcessCrashed
from ._simulation.simulate import Simulated, SimulationFailed, simulate
from ._simulation.simulation import Client, Simulation

__all__ = [
    "Client",
    "Failed",
    "Given",
    "ManualClock",
    "Outcome",
    "Process",
    "ProcessCrashed",
    "Recorded",
    "Scenario",
    "Scheduled",
    "Simulated",
    "Simulation",
    "SimulationFailed",
    "given",
    "simulate",
    "when",
]
