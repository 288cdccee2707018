"""Conformance suites: the promises of the ports as tests that any adapter can run.

Derive a class from a suite in a test module and give it the fixtures that it names; pytest does the rest. This package
needs pytest, from the extra `testing`; `twofold` itself does not import it.

A failing case shows the compared values, as in a test module of your own: this package registers its modules for
pytest's assertion rewriting.
"""

import pytest

# Pytest rewrites only modules that are imported later, so this call precedes all imports of the package.
pytest.register_assert_rewrite(
    *(f"{__name__}.{room}" for room in ("_applications", "_brokers", "_domain", "_stores", "_tools"))
)

from ._applications.boundaries import BoundarySuite
from ._applications.failovers import FailoverSuite
from ._applications.gathering import GatheringSuite, NewWriteStore
from ._applications.history import HistorySuite
from ._applications.idempotency import IdempotencySuite
from ._applications.inline import InlineSuite
from ._applications.live_queries import LiveQuerySuite
from ._applications.processes import ProcessSuite
from ._applications.read_model import ReadModelSuite
from ._applications.rebuilds import RebuildSuite
from ._applications.repository import RepositorySuite
from ._applications.scheduling import SchedulerSuite
from ._applications.sessions import SessionSuite
from ._applications.steps import StepSuite
from ._applications.subscriptions import SubscriptionSuite
from ._applications.unique_values import UniqueCommandSuite
from ._applications.unit_of_work import UnitOfWorkSuite
from ._applications.values import RowValuesSuite, ValuesSuite
from ._applications.workers import WorkerSuite
from ._brokers.cache import CacheSuite, NewCache
from ._brokers.notifier import NewNotifier, NotifierSuite
from ._brokers.requests import RequestsSuite
from ._brokers.transport import TransportSuite
from ._stores.event_log import EventLogSuite
from ._stores.field_types import FieldTypesSuite
from ._stores.inline_records import InlineRecordSuite
from ._stores.leases import LeaseSuite
from ._stores.names import NamesSuite
from ._stores.pauses import PauseSuite
from ._stores.processes import ProcessRecordSuite
from ._stores.records import RecordSuite
from ._stores.rows import RowsSuite
from ._stores.schedule import ScheduleSuite
from ._stores.selections import SelectionsSuite
from ._stores.snapshots import SnapshotSuite
from ._stores.state import StateSuite
from ._stores.step_results import StepResultSuite
from ._stores.subscription_store import SubscriptionStoreSuite
from ._stores.transactions import TransactionSuite
from ._stores.unique_values import UniqueValueSuite
from ._tools.beside import Beside
from ._tools.capabilities import Capabilities
from ._tools.opened import NewReadStore, NewStore
from ._tools.requests_opened import ConnectRequests, NewRequests
from ._tools.restoring import Restore, TakeBackup
from ._tools.transport_opened import Connect, NewBroker

__all__ = [
    "Beside",
    "BoundarySuite",
    "CacheSuite",
    "Capabilities",
    "Connect",
    "ConnectRequests",
    "EventLogSuite",
    "FailoverSuite",
    "FieldTypesSuite",
    "GatheringSuite",
    "HistorySuite",
    "IdempotencySuite",
    "InlineRecordSuite",
    "InlineSuite",
    "LeaseSuite",
    "LiveQuerySuite",
    "NamesSuite",
    "NewBroker",
    "NewCache",
    "NewNotifier",
    "NewReadStore",
    "NewRequests",
    "NewStore",
    "NewWriteStore",
    "NotifierSuite",
    "PauseSuite",
    "ProcessRecordSuite",
    "ProcessSuite",
    "ReadModelSuite",
    "RebuildSuite",
    "RecordSuite",
    "RepositorySuite",
    "RequestsSuite",
    "Restore",
    "RowValuesSuite",
    "RowsSuite",
    "ScheduleSuite",
    "SchedulerSuite",
    "SelectionsSuite",
    "SessionSuite",
    "SnapshotSuite",
    "StateSuite",
    "StepResultSuite",
    "StepSuite",
    "SubscriptionStoreSuite",
    "SubscriptionSuite",
    "TakeBackup",
    "TransactionSuite",
    "TransportSuite",
    "UniqueCommandSuite",
    "UniqueValueSuite",
    "UnitOfWorkSuite",
    "ValuesSuite",
    "WorkerSuite",
]
