"""A span inside another one, which the SDK creates on demand, or after the block."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from threading import Lock
from typing import Any


class Deferring:
    """A span that is current like any other, and costs nothing until it is used.

    The first call of a method creates the span of the SDK, with the time at which the block began. A child that begins calls
    a method, and so does a handler that sets an attribute. Without such a call, `end` creates the span.

    Args:
        tracer: the tracer.
        name: the name.
        parent: the context of the parent.
        attributes: the attributes.
        began: the time at which the block began, in nanoseconds since the epoch.
        lock: held while the span is created: a child may begin in a thread.
    """

    __slots__ = ("_attributes", "_began", "_lock", "_name", "_span", "_tracer", "parent")

    def __init__(self, tracer: Any, name: str, parent: Any, attributes: Any, began: int, lock: Lock) -> None:
        self._tracer = tracer
        self._name = name
        self.parent = parent
        self._attributes = attributes
        self._began = began
        self._lock = lock
        self._span: Any = None

    def real(self) -> Any:
        """Return the span of the SDK."""
        if self._span is None:
            with self._lock:
                if self._span is None:
                    self._span = self._tracer.start_span(
                        self._name, self.parent, attributes=self._attributes, start_time=self._began
                    )
        return self._span

    @property
    def used(self) -> bool:
        """Whether the SDK has the span."""
        return self._span is not None

    def get_span_context(self) -> Any:
        return self.real().get_span_context()

    def is_recording(self) -> bool:
        return self._span is None or self._span.is_recording()

    def end(self, end_time: int | None = None) -> None:
        self.real().end(end_time)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.real().set_attributes(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        self.real().set_attribute(key, value)

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        self.real().add_event(name, attributes, timestamp)

    def add_link(self, context: Any, attributes: Any = None) -> None:
        self.real().add_link(context, attributes)

    def update_name(self, name: str) -> None:
        self.real().update_name(name)

    def set_status(self, status: Any, description: str | None = None) -> None:
        self.real().set_status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Any = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        self.real().record_exception(exception, attributes, timestamp, escaped)


@cache
def nested_span_type() -> type[Any]:
    """Return `Deferring` as a span of the OpenTelemetry API, which is an optional dependency."""
    from opentelemetry.trace import Span

    return type("NestedSpan", (Deferring, Span), {"__slots__": ()})
