"""What an application offers to the handling of every message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._background.signal import Signal
from .._definitions.message import Command
from .._encoding.wire_types import WireTypes
from .._writing.write_side import WriteSide
from ..ports.stores import ReadStore

if TYPE_CHECKING:
    from .._buses.command_bus import CommandBus
    from .._buses.event_bus import EventBus
    from .._buses.query_bus import QueryBus
    from .session import Session


@dataclass(frozen=True, slots=True)
class Services:
    """What an application offers to the handling of every message.

    Attributes:
        write: what units of work have in common.
        read: the store of read models.
        commands: handles commands.
        queries: answers queries.
        events: records events.
        once: handles commands that claim something first.
        new_session: opens a session for a message that was dispatched without one.
        command_types: the commands that may be scheduled.
        scheduled: sent when one was.
        ended: sent when the application stops.
        container: the user's container.
    """

    write: WriteSide
    read: ReadStore
    commands: CommandBus
    queries: QueryBus
    events: EventBus
    once: CommandBus
    new_session: Callable[[], Session]
    command_types: WireTypes[Command[Any]]
    scheduled: Signal = field(default_factory=Signal)
    ended: Signal = field(default_factory=Signal)
    container: Any = None
