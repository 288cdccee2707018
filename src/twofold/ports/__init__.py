"""The ports: what Twofold requires from an adapter. Each port is a protocol, and its docstrings are the contract.

The conformance suites in `twofold.testing.conformance` test every sentence that can be tested. `Backoff`,
`KeyLocks` and `partition_of` are not ports but tools, which most adapters need.
"""

from .._background.backoff import Backoff
from .._background.key_locks import KeyLocks
from .._definitions.partitioning import partition_of
from .._definitions.position import START, Position
from .cache import Cached, CacheKey, CacheLease, CacheStore
from .checkpoints import Checkpoint, CheckpointWriter, Lease
from .clock import Clock, Ids
from .event_log import EventLog, Expected, ExpectedVersion, LogPage, NewEvent, StoredEvent
from .idempotency_keys import LONGEST_KEY, IdempotencyKeys, KeyRecord
from .inbox import Inbox
from .log_writer import LogWriter
from .notifier import Notifier
from .parked import ParkedEvent, ParkedEventReader, ParkedEventWriter
from .receiver import Receiver
from .requests import Answerer, Request, Requests
from .retention import Retention
from .rows import Condition, Operator, Ordering, RowChange, RowReader, RowWriter, Selection
from .schedule import ScheduledCommand, ScheduleReader, ScheduleWriter
from .shadows import ShadowRows
from .snapshots import Snapshot, Snapshots
from .state_store import StateStore, Versioned
from .storage_kinds import StorageKinds
from .stores import ReadStore, WriteStore
from .subscription_store import Partition, SubscriptionStore
from .transactions import ReadTransaction, Transaction, WriteTransaction
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
    "CheckpointWriter",
    "Clock",
    "Condition",
    "Consumer",
    "Delivery",
    "EventLog",
    "Expected",
    "ExpectedVersion",
    "Feed",
    "IdempotencyKeys",
    "Ids",
    "Inbox",
    "KeyLocks",
    "KeyRecord",
    "Lease",
    "LogPage",
    "LogWriter",
    "NewEvent",
    "Notifier",
    "Operator",
    "Ordering",
    "Outcome",
    "ParkedDelivery",
    "ParkedEvent",
    "ParkedEventReader",
    "ParkedEventWriter",
    "Partition",
    "Position",
    "Publisher",
    "ReadStore",
    "ReadTransaction",
    "Receiver",
    "Request",
    "Requests",
    "Retention",
    "RowChange",
    "RowReader",
    "RowWriter",
    "ScheduleReader",
    "ScheduleWriter",
    "ScheduledCommand",
    "Selection",
    "ShadowRows",
    "Snapshot",
    "Snapshots",
    "StateStore",
    "StorageKinds",
    "StoredEvent",
    "SubscriptionStore",
    "Transaction",
    "Transport",
    "Versioned",
    "WireMessage",
    "WriteStore",
    "WriteTransaction",
    "check_body",
    "partition_of",
]
