"""Twofold: commands go in, read models come out, and an ordered log of events keeps them together.

Where to read on: the messages (`Command`, `Query`, `Event`), the `Application` that composes handlers with stores, the
ports in `twofold.ports` that adapters implement, and the errors, drawn as a tree, in `twofold.errors`.
"""

from ._aggregate import Aggregate
from ._application import Application
from ._cache import Cache, CacheStats
from ._command_bus import CommandBus
from ._entries import Retry
from ._envelope import Envelope
from ._event_bus import EventBus
from ._find import Keyset, Page, Rows, above, at_least, at_most, below, one_of
from ._health import Health
from ._messages import Command, Event, Message, Query
from ._module import Module
from ._on import on
from ._query_bus import QueryBus
from ._read_model import ReadModel
from ._remote import RemoteCommandBus, RemoteQueryBus
from ._remote_session import RemoteSession
from ._repository import Repository
from ._row_codec import RowCodec
from ._scheduler import Scheduler
from ._session import Answer, Session
from ._state import StateCodec
from ._status import SubscriptionStatus
from ._storage import AggregateRemoved
from ._unit_of_work import UnitOfWork
from ._view import View
from .errors import TwofoldError
from .ports.clock import Clock, Ids

__all__ = [
    "Aggregate",
    "AggregateRemoved",
    "Answer",
    "Application",
    "Cache",
    "CacheStats",
    "Clock",
    "Command",
    "CommandBus",
    "Envelope",
    "Event",
    "EventBus",
    "Health",
    "Ids",
    "Keyset",
    "Message",
    "Module",
    "Page",
    "Query",
    "QueryBus",
    "ReadModel",
    "RemoteCommandBus",
    "RemoteQueryBus",
    "RemoteSession",
    "Repository",
    "Retry",
    "RowCodec",
    "Rows",
    "Scheduler",
    "Session",
    "StateCodec",
    "SubscriptionStatus",
    "TwofoldError",
    "UnitOfWork",
    "View",
    "above",
    "at_least",
    "at_most",
    "below",
    "on",
    "one_of",
]
