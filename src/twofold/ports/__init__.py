"""The ports: what Twofold asks of an adapter. Each is a protocol, and its docstrings are the contract.

The conformance suites in `twofold.testing.conformance` test every sentence that can be tested. `Backoff`,
`KeyLocks` and `partition_of` are not ports but tools, which most adapters need.
"""

from .._background.backoff import Backoff
from .._background.key_locks import KeyLocks
from .._definitions.partitioning import partition_of
from .._definitions.position import START, Position
from .cache import Cached, CacheKey, CacheLease, CacheStore
from .clock import Clock, Ids
from .event_log import EventLog, Expected, ExpectedVersion, LogPage, NewEvent, StoredEvent
from .notifier import Notifier
from .receiver import Receiver
from .records import LONGEST_KEY, KeyRecord, RecordStore, RecordTransaction
from .requests import Answerer, Request, Requests
from .rows import Condition, Operator, Ordering, RowChange, RowReader, RowWriter, Selection
from .schedule import ScheduledCommand, ScheduleStore, ScheduleTransaction
from .snapshots import Snapshot, SnapshotTransaction
from .state_store import KeepingTransaction, StateStore, Versioned
from .stores import ReadStore, ReadTransaction, Transaction, WriteStore, WriteTransaction
from .subscription_store import Checkpoint, Lease, ParkedEvent, Partition, SubscriptionStore, SubscriptionTransaction
from .transport import (
    LARGEST_BODY,
    Consumer,
    Delivery,
    Feed,
    Outcome,
    ParkedDelivery,
    Publisher,
    Transport,
    WireMessage,
    check_body,
)

__all__ = [
    "LARGEST_BODY",
    "LONGEST_KEY",
    "START",
    "Answerer",
    "Backoff",
    "CacheKey",
    "CacheLease",
    "CacheStore",
    "Cached",
    "Checkpoint",
    "Clock",
    "Condition",
    "Consumer",
    "Delivery",
    "EventLog",
    "Expected",
    "ExpectedVersion",
    "Feed",
    "Ids",
    "KeepingTransaction",
    "KeyLocks",
    "KeyRecord",
    "Lease",
    "LogPage",
    "NewEvent",
    "Notifier",
    "Operator",
    "Ordering",
    "Outcome",
    "ParkedDelivery",
    "ParkedEvent",
    "Partition",
    "Position",
    "Publisher",
    "ReadStore",
    "ReadTransaction",
    "Receiver",
    "RecordStore",
    "RecordTransaction",
    "Request",
    "Requests",
    "RowChange",
    "RowReader",
    "RowWriter",
    "ScheduleStore",
    "ScheduleTransaction",
    "ScheduledCommand",
    "Selection",
    "Snapshot",
    "SnapshotTransaction",
    "StateStore",
    "StoredEvent",
    "SubscriptionStore",
    "SubscriptionTransaction",
    "Transaction",
    "Transport",
    "Versioned",
    "WireMessage",
    "WriteStore",
    "WriteTransaction",
    "check_body",
    "partition_of",
]
