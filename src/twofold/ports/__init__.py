"""The ports: what Twofold asks of an adapter. Each is a protocol, and its docstrings are the contract.

The conformance suites in `twofold.testing.conformance` test every sentence that can be tested.
"""

from .clock import Clock, Ids
from .event_log import (
    START,
    EventLog,
    Expected,
    ExpectedVersion,
    LogPage,
    NewEvent,
    Position,
    StoredEvent,
)
from .records import LONGEST_KEY, KeyRecord, RecordStore, RecordTransaction
from .rows import Condition, Operator, Ordering, RowChange, RowReader, RowWriter, Selection
from .schedule import ScheduledCommand, ScheduleStore, ScheduleTransaction
from .snapshots import Snapshot, SnapshotTransaction
from .state_store import KeepingTransaction, StateStore, Versioned
from .stores import ReadStore, ReadTransaction, Transaction, WriteStore, WriteTransaction
from .subscription_store import Checkpoint, Lease, ParkedEvent, Segment, SubscriptionStore, SubscriptionTransaction

__all__ = [
    "LONGEST_KEY",
    "START",
    "Checkpoint",
    "Clock",
    "Condition",
    "EventLog",
    "Expected",
    "ExpectedVersion",
    "Ids",
    "KeepingTransaction",
    "KeyRecord",
    "Lease",
    "LogPage",
    "NewEvent",
    "Operator",
    "Ordering",
    "ParkedEvent",
    "Position",
    "ReadStore",
    "ReadTransaction",
    "RecordStore",
    "RecordTransaction",
    "RowChange",
    "RowReader",
    "RowWriter",
    "ScheduleStore",
    "ScheduleTransaction",
    "ScheduledCommand",
    "Segment",
    "Selection",
    "Snapshot",
    "SnapshotTransaction",
    "StateStore",
    "StoredEvent",
    "SubscriptionStore",
    "SubscriptionTransaction",
    "Transaction",
    "Versioned",
    "WriteStore",
    "WriteTransaction",
]
