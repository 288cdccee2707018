"""Conformance suites: the promises of the ports as tests that any adapter can run.

Derive a class from a suite in a test module and give it the fixtures that it names; pytest does the rest. This package
needs pytest; `twofold` itself does not import it.
"""

from ._capabilities import Capabilities
from ._event_log import EventLogSuite
from ._leases import LeaseSuite
from ._read_model import ReadModelSuite
from ._rebuilds import RebuildSuite
from ._rows import RowsSuite
from ._selections import SelectionsSuite
from ._sessions import SessionSuite
from ._state import StateSuite
from ._subscription_store import SubscriptionStoreSuite
from ._subscriptions import SubscriptionSuite
from ._transactions import TransactionSuite

__all__ = [
    "Capabilities",
    "EventLogSuite",
    "LeaseSuite",
    "ReadModelSuite",
    "RebuildSuite",
    "RowsSuite",
    "SelectionsSuite",
    "SessionSuite",
    "StateSuite",
    "SubscriptionStoreSuite",
    "SubscriptionSuite",
    "TransactionSuite",
]
