"""Conformance suites: the promises of the ports as tests that any adapter can run.

Derive a class from a suite in a test module and give it the fixtures that it names; pytest does the rest. This package
needs pytest, from the extra `testing`; `twofold` itself does not import it.
"""

from ._applications.idempotency import IdempotencySuite
from ._applications.read_model import ReadModelSuite
from ._applications.rebuilds import RebuildSuite
from ._applications.repository import RepositorySuite
from ._applications.scheduling import SchedulerSuite
from ._applications.sessions import SessionSuite
from ._applications.subscriptions import SubscriptionSuite
from ._applications.unit_of_work import UnitOfWorkSuite
from ._applications.workers import WorkerSuite
from ._brokers.cache import CacheSuite, NewCache
from ._brokers.notifier import NewNotifier, NotifierSuite
from ._brokers.requests import RequestsSuite
from ._brokers.transport import TransportSuite
from ._stores.event_log import EventLogSuite
from ._stores.leases import LeaseSuite
from ._stores.records import RecordSuite
from ._stores.rows import RowsSuite
from ._stores.schedule import ScheduleSuite
from ._stores.selections import SelectionsSuite
from ._stores.snapshots import SnapshotSuite
from ._stores.state import StateSuite
from ._stores.subscription_store import SubscriptionStoreSuite
from ._stores.transactions import TransactionSuite
from ._tools.beside import Beside
from ._tools.capabilities import Capabilities
from ._tools.opened import NewReadStore, NewStore
from ._tools.requests_opened import ConnectRequests, NewRequests
from ._tools.transport_opened import Connect, NewBroker

__all__ = [
    "Beside",
    "CacheSuite",
    "Capabilities",
    "Connect",
    "ConnectRequests",
    "EventLogSuite",
    "IdempotencySuite",
    "LeaseSuite",
    "NewBroker",
    "NewCache",
    "NewNotifier",
    "NewReadStore",
    "NewRequests",
    "NewStore",
    "NotifierSuite",
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
