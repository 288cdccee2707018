"""Twofold: a CQRS toolkit with one event log that is the event store and the transactional outbox.

Read next: the messages (`Command`, `Query`, `Event`), the `Application` that composes handlers with stores, the
ports in `twofold.ports` that adapters implement, and the errors, drawn as a tree, in `twofold.errors`.
"""

from ._application.application import Application
from ._application.consumer_operations import ParkedMessage
from ._application.consumer_status import ConsumerStatus
from ._application.health import Health
from ._application.operations import Operations
from ._application.parked_operations import ParkedDetails
from ._application.problems import Problem
from ._application.sync import SyncApplication
from ._application.sync_session import SyncSession
from ._buses.command_bus import CommandBus
from ._buses.event_bus import EventBus
from ._buses.query_bus import QueryBus
from ._definitions.aggregate import Aggregate
from ._definitions.cache import Cache, CacheStats
from ._definitions.criteria import Criteria, select
from ._definitions.envelope import Envelope
from ._definitions.flow import Flow
from ._definitions.folding import fold
from ._definitions.gathered import AtLeast, Gathered
from ._definitions.message import Command, Event, Message, Query
from ._definitions.on import on
from ._definitions.process import Process
from ._definitions.process_marks import on_error, on_reply, on_timeout, starts
from ._definitions.retry import Retry
from ._definitions.thresholds import Thresholds
from ._definitions.topology import Topology, TopologyEdge, TopologyNode
from ._definitions.view import View
from ._dispatch.queries import Answer
from ._dispatch.scheduler import Scheduler
from ._dispatch.session import Session
from ._dispatch.unique import Unique
from ._encoding.row_json import RowCodec
from ._encoding.state_json import StateCodec
from ._processes.status import ProcessStatus
from ._reading.comparisons import any_of, ge, gt, le, lt, ne, one_of
from ._reading.pages import Keyset, Page, Rows
from ._reading.read_model import ReadModel
from ._registration.router import Router
from ._remote.buses import RemoteCommandBus, RemoteQueryBus
from ._remote.session import RemoteSession
from ._steps.steps import Steps
from ._subscriptions.browsing import EventPage, EventRecord
from ._subscriptions.message_path import MessagePath, PathHandler, PathNode
from ._subscriptions.owners import SubscriptionWorker
from ._subscriptions.status import SubscriptionStatus
from ._telemetry.options import Telemetry
from ._writing.boundary import Boundary
from ._writing.history import History
from ._writing.repository import Repository
from ._writing.tracked import AggregateRemoved
from ._writing.unit_of_work import UnitOfWork
from .errors import TwofoldError
from .ports.clock import Clock, Ids

__all__ = [
    "Aggregate",
    "AggregateRemoved",
    "Answer",
    "Application",
    "AtLeast",
    "Boundary",
    "Cache",
    "CacheStats",
    "Clock",
    "Command",
    "CommandBus",
    "ConsumerStatus",
    "Criteria",
    "Envelope",
    "Event",
    "EventBus",
    "EventPage",
    "EventRecord",
    "Flow",
    "Gathered",
    "Health",
    "History",
    "Ids",
    "Keyset",
    "Message",
    "MessagePath",
    "Operations",
    "Page",
    "ParkedDetails",
    "ParkedMessage",
    "PathHandler",
    "PathNode",
    "Problem",
    "Process",
    "ProcessStatus",
    "Query",
    "QueryBus",
    "ReadModel",
    "RemoteCommandBus",
    "RemoteQueryBus",
    "RemoteSession",
    "Repository",
    "Retry",
    "Router",
    "RowCodec",
    "Rows",
    "Scheduler",
    "Session",
    "StateCodec",
    "Steps",
    "SubscriptionStatus",
    "SubscriptionWorker",
    "SyncApplication",
    "SyncSession",
    "Telemetry",
    "Thresholds",
    "Topology",
    "TopologyEdge",
    "TopologyNode",
    "TwofoldError",
    "Unique",
    "UnitOfWork",
    "View",
    "any_of",
    "fold",
    "ge",
    "gt",
    "le",
    "lt",
    "ne",
    "on",
    "on_error",
    "on_reply",
    "on_timeout",
    "one_of",
    "select",
    "starts",
]
