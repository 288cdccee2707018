"""The parts of an application."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from .._definitions.aggregate import Aggregate
from .._definitions.retry import Retry
from .._definitions.thresholds import Thresholds
from .._registration.registered import Registered
from .._telemetry.options import TelemetryOption
from ..ports.cache import CacheStore
from ..ports.clock import Clock, Ids
from ..ports.notifier import Notifier
from ..ports.requests import Requests
from ..ports.stores import ReadStore, WriteStore
from ..ports.transport import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The arguments of `Application`, checked and with their defaults, and the registered handlers.

    Wiring and running know these parts; they do not know the application.
    """

    name: str
    registered: Registered
    write: WriteStore
    read: ReadStore
    transport: Transport | None
    requests: Requests | None
    cache: CacheStore | None
    notifier: Notifier | None
    event_sourced: tuple[type[Aggregate], ...]
    container: Any
    work: bool
    keep_records: timedelta | None
    retry_scheduled: Retry
    lease: float
    health: Thresholds
    telemetry: TelemetryOption
    clock: Clock
    ids: Ids
