"""A wrong clock of this process, as the process of a machine has whose time is wrong."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta, tzinfo
from unittest.mock import patch

RIGHT = timedelta()

_ahead: ContextVar[timedelta] = ContextVar("ahead", default=RIGHT)


class _AnyTime(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


class _WrongTime(datetime, metaclass=_AnyTime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + _ahead.get()


@contextmanager
def process_clocks() -> Iterator[None]:
    """Let `time.time`, `time.time_ns` and `datetime.now` return the time that `process_clock` sets for the current task.

    The clocks of servers, and the monotonic clock of the process, stay right. A module that has imported `time.time` by name
    keeps the right time.
    """
    right, right_ns = time.time, time.time_ns
    modules = [module for module in [*sys.modules.values()] if vars(module).get("datetime") is datetime]
    with ExitStack() as patched:
        for module in modules:
            if module is not sys.modules[__name__]:
                patched.enter_context(patch.object(module, "datetime", _WrongTime))
        patched.enter_context(patch.object(time, "time", lambda: right() + _ahead.get().total_seconds()))
        patched.enter_context(patch.object(time, "time_ns", lambda: right_ns() + _nanoseconds(_ahead.get())))
        yield


def _nanoseconds(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1) * 1_000


@contextmanager
def process_clock(ahead: timedelta) -> Iterator[None]:
    """Set the clock of the current task and of the tasks that it starts, within `process_clocks`.

    Args:
        ahead: how far the clock is ahead; negative if it is behind.
    """
    before = _ahead.set(ahead)
    try:
        yield
    finally:
        _ahead.reset(before)
