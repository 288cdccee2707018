"""The services of an application, for the handling of every message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._background.signal import Signal
from .._background.tasks import RunningTask
from .._buses.command_bus import CommandBus
from .._buses.event_bus import EventBus
from .._buses.query_bus import QueryBus
from .._consistency.conversation import Conversations
from .._consistency.marks import Marks
from .._consistency.waiting import Consistency, WaitFor
from .._definitions.message import Command, Query
from .._encoding.wire_types import WireTypes
from .._reading.unreadable import UnreadableRows
from .._telemetry.recorder import SILENT, Recorder, Trace
from .._writing.storage import WriteSide
from ..ports.stores import ReadStore
from .gathering import Answerer
from .inputs import OutsideCalls
from .steps import Pipeline


@dataclass(frozen=True, slots=True)
class Services:
    """The services of an application, for the handling of every message.

    Attributes:
        write: the shared settings of all units of work.
        read: the store of read models.
        commands: dispatches commands to their pipelines.
        queries: executes queries with their pipelines.
        events: records events.
        command_pipelines: how each command is handled; filled while the application is assembled.
        query_pipelines: how each query is answered; filled likewise.
        answerers: the answerers of each query that several answer, by name; filled likewise.
        command_types: the commands that may be scheduled.
        consistency: knows how far the projections are.
        wait: how queries wait for projections.
        conversations: opens a conversation for a message that was dispatched outside of a session.
        running: returns the running task.
        appended: sent when this or another process has appended events.
        committed: sent when this process has appended events; sends `appended` too.
        scheduled: sent after a command was scheduled.
        ended: sent when the application stops.
        changed: sent with `appended`, when a projection of this process has a new checkpoint, and when the application
            stops. Rows may have changed.
        marks: knows the state of read models, for live queries.
        unreadable: the rows that this process could not read.
        recorder: records telemetry.
        outside: performs the calls of durable steps.
        current_trace: returns the trace context of the current span; None if telemetry is off.
    """

    write: WriteSide
    read: ReadStore
    commands: CommandBus
    queries: QueryBus
    events: EventBus
    command_pipelines: dict[type[Command[Any]], Pipeline]
    query_pipelines: dict[type[Query[Any]], Pipeline]
    answerers: dict[type[Query[Any]], Mapping[str, Answerer]]
    appended: Signal
    committed: Signal
    command_types: WireTypes[Command[Any]]
    consistency: Consistency
    wait: WaitFor
    conversations: Conversations
    running: RunningTask
    changed: Signal
    marks: Marks
    scheduled: Signal = field(default_factory=Signal)
    ended: Signal = field(default_factory=Signal)
    unreadable: UnreadableRows = field(default_factory=UnreadableRows)
    recorder: Recorder = SILENT
    outside: OutsideCalls = field(default_factory=OutsideCalls)
    current_trace: Callable[[], Trace | None] | None = None
