"""The ports: what Twofold requires from an adapter. Each port is a protocol, and its docstrings are the contract.

The conformance suites in `twofold.testing.conformance` test every sentence that can be tested. `Backoff`,
`KeyLocks`, `after_fork`, `condition_test`, `field_type`, `logger_of`, `partition_of`, `scalar_form`, `shown`,
`shown_option` and `without_content` are not ports but tools, which most adapters need.
"""

from .._background.backoff import Backoff
from .._background.forks import after_fork
from .._background.key_locks import KeyLocks
from .._background.log_lines import logger_of
from .._background.shown import shown, shown_option, without_content
from .._definitions.partitioning import partition_of
from .._definitions.position import START, Position
from .._definitions.scalar_form import ScalarForm, scalar_form
from .._definitions.view import FieldType, field_type
from .cache import Cached, CacheKey, CacheLease, CacheStore
from .checkpoints import Checkpoint, CheckpointWriter, Lease
from .clock import Clock, Ids
from .event_log import BlockingTransaction, EventLog, Expected, ExpectedVersion, LogPage, NewEvent, StoredEvent
from .idempotency_keys import LONGEST_KEY, IdempotencyKeys, KeyRecord
from .inbox import Inbox
from .inline_projections import InlineProjections, RecordedInline
from .log_writer import LogWriter
from .matching import condition_test
from .migrations import MigratedStore, Migrations
from .notifier import Notifier
from .parked import Edit, ParkedEvent, ParkedEventReader, ParkedEventWriter, not_parked_at
from .processes import ProcessReader, ProcessRecord, ProcessState, ProcessWriter
from .publisher import LARGEST_BODY, Outcome, Publisher, WireMessage, check_body
from .receiver import Receiver
from .requests import Answerer, Request, Requests
from .retention import Retention
from .rows import ORDERED, Condition, Operator, Ordering, RowChange, RowReader, RowWriter, Selection
from .schedule import STORED_YEARS, ScheduledCommand, ScheduleReader, ScheduleWriter
from .shadows import ShadowRows
from .snapshots import Snapshot, Snapshots
from .state_store import StateStore, Versioned
from .step_results import StepReader, StepRecord, StepResults, StepState
from .storage_kinds import StorageKinds
from .stores import ReadStore, WriteStore
from .subscription_store import Partition, Pause, SubscriptionStore
from .tags import AppendCondition, Criterion, TagEntry, TagRecords
from .transactions import ReadTransaction, Transaction, WriteTransaction
from .transport import Consumer, Delivery, Feed, ParkedDelivery, Transport, log_dropped
from .unique_values import UniqueValue, UniqueValues

__all__ = [
    "LARGEST_BODY",
    "LONGEST_KEY",
    "ORDERED",
    "START",
    "STORED_YEARS",
    "Answerer",
    "AppendCondition",
    "Backoff",
    "BlockingTransaction",
    "CacheKey",
    "CacheLease",
    "CacheStore",
    "Cached",
    "Checkpoint",
    "CheckpointWriter",
    "Clock",
    "Condition",
    "Consumer",
    "Criterion",
    "Delivery",
    "Edit",
    "EventLog",
    "Expected",
    "ExpectedVersion",
    "Feed",
    "FieldType",
    "IdempotencyKeys",
    "Ids",
    "Inbox",
    "InlineProjections",
    "KeyLocks",
    "KeyRecord",
    "Lease",
    "LogPage",
    "LogWriter",
    "MigratedStore",
    "Migrations",
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
    "Pause",
    "Position",
    "ProcessReader",
    "ProcessRecord",
    "ProcessState",
    "ProcessWriter",
    "Publisher",
    "ReadStore",
    "ReadTransaction",
    "Receiver",
    "RecordedInline",
    "Request",
    "Requests",
    "Retention",
    "RowChange",
    "RowReader",
    "RowWriter",
    "ScalarForm",
    "ScheduleReader",
    "ScheduleWriter",
    "ScheduledCommand",
    "Selection",
    "ShadowRows",
    "Snapshot",
    "Snapshots",
    "StateStore",
    "StepReader",
    "StepRecord",
    "StepResults",
    "StepState",
    "StorageKinds",
    "StoredEvent",
    "SubscriptionStore",
    "TagEntry",
    "TagRecords",
    "Transaction",
    "Transport",
    "UniqueValue",
    "UniqueValues",
    "Versioned",
    "WireMessage",
    "WriteStore",
    "WriteTransaction",
    "after_fork",
    "check_body",
    "condition_test",
    "field_type",
    "log_dropped",
    "logger_of",
    "not_parked_at",
    "partition_of",
    "scalar_form",
    "shown",
    "shown_option",
    "without_content",
]
