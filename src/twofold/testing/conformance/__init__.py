"""Conformance suites: the promises of the ports as tests that any adapter can run.

Derive a class from a suite in a test module and give it the fixtures that it names; pytest does the rest. This package
needs pytest; `twofold` itself does not import it.
"""

from ._beside import Beside
from ._cache import CacheSuite, NewCache
from ._capabilities import Capabilities
from ._event_log import EventLogSuite
from ._hints import HintsSuite, NewHints
from ._idempotency import IdempotencySuite
from ._leases import LeaseSuite
from ._opened import NewReadStore, NewStore
from ._read_model import ReadModelSuite
from ._rebuilds import RebuildSuite
from ._records import RecordSuite
from ._repository import RepositorySuite
from ._requests import RequestsSuite
from ._requests_opened import ConnectRequests, NewRequests
from ._rows import RowsSuite
from ._schedule import ScheduleSuite
from ._scheduling import SchedulerSuite
from ._selections import SelectionsSuite
from ._sessions import SessionSuite
from ._snapshots import SnapshotSuite
from ._state import StateSuite
from ._subscription_store import SubscriptionStoreSuite
from ._subscriptions import SubscriptionSuite
from ._transactions import TransactionSuite
from ._transport import TransportSuite
from ._transport_opened import Connect, NewBroker
from ._unit_of_work import UnitOfWorkSuite
from ._workers import WorkerSuite

__all__ = [
    "Beside",
    "CacheSuite",
    "Capabilities",
    "Connect",
    "ConnectRequests",
    "EventLogSuite",
    "HintsSuite",
    "IdempotencySuite",
    "LeaseSuite",
    "NewBroker",
    "NewCache",
    "NewHints",
    "NewReadStore",
    "NewRequests",
    "NewStore",
    "ReadModelSuite",
    "RebuildSuite",
    "RecordSuite",
    "RepositorySuite",
    "RequestsSuite",
    "RowsSuite",
    "ScheduleSuite",
    "SchedulerSuite",
    "SelectionsSuite",
    "SessionSuite",
    "SnapshotSuite",
    "StateSuite",
    "SubscriptionStoreSuite",
    "SubscriptionSuite",
    "TransactionSuite",
    "TransportSuite",
    "UnitOfWorkSuite",
    "WorkerSuite",
]
