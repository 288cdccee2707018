"""Test an aggregate: given its past events, when a method is called, then these events are recorded."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

from .._definitions.aggregate import Aggregate
from .._definitions.message import Event
from ._difference import check_equal

A = TypeVar("A", bound=Aggregate)
E = TypeVar("E", bound=BaseException)


@dataclass(frozen=True, slots=True)
class Recorded(Generic[A]):
    """The result of a call of an aggregate.

    Attributes:
        aggregate: the aggregate after the call; None if no aggregate was created.
        events: the events that the call recorded.
        result: the return value of the call.
        error: the exception that the call raised, if it raised one.
    """

    aggregate: A | None
    events: tuple[Event, ...]
    result: Any = None
    error: Exception | None = field(default=None)

    def then(self, *events: Event) -> Self:
        """Check that the call recorded exactly these events, in this order, and raised nothing.

        Raises:
            AssertionError: it did not. The text is a diff.
        """
        if self.error is not None:
            raise AssertionError(
                f"the call raised {self.error!r}. Check an expected error with then_raises."
            ) from self.error
        check_equal("the recorded events", events, self.events)
        return self

    def then_returns(self, result: object) -> Self:
        """Check the return value of the call.

        Raises:
            AssertionError: the call returned another value, or raised an error.
        """
        if self.error is not None:
            raise AssertionError(
                f"the call raised {self.error!r}. Check an expected error with then_raises."
            ) from self.error
        check_equal("the results", [result], [self.result])
        return self

    def then_raises(self, error: type[E], match: str = "") -> E:
        """Check that the call raised an error and recorded no event. Return the error.

        Args:
            error: the class of the error.
            match: a regular expression that is searched in its text.

        Raises:
            AssertionError: the call raised nothing or another error, or recorded an event before.
        """
        found = raised(self.error, error, match, "the call")
        check_equal("the recorded events", (), self.events)
        return found

    def _raise_error(self) -> None:
        if self.error is not None:
            text = f"the call raised {self.error!r}. Check an expected error with then_raises."
            raise AssertionError(text) from self.error


@dataclass(frozen=True, slots=True)
class Given(Generic[A]):
    """An aggregate type and the past events of an aggregate."""

    aggregate_type: type[A]
    events: tuple[Event, ...]

    def when(self, action: Callable[[A], object]) -> Recorded[A]:
        """Call a function with the aggregate, and return what it recorded.

        Args:
            action: calls a method of the aggregate: `lambda order: order.pay()`.
        """
        aggregate = self.aggregate_type.replay(*self.events)
        return _called(lambda: action(aggregate), lambda _: aggregate)


def given(aggregate_type: type[A], *events: Event) -> Given[A]:
    """Replay the past events of an aggregate; an aggregate that does not exist yet is created with `when`.

        given(Order, OrderPlaced(order_id="o1")).when(lambda order: order.pay()).then(OrderPaid(order_id="o1"))

    Args:
        aggregate_type: the class of the aggregate.
        events: its past events, at least one.
    """
    if not events:
        raise TypeError(
            f"given({aggregate_type.__name__}): pass at least one past event. Test a new aggregate with "
            f"when(lambda: {aggregate_type.__name__}.begin(...))."
        )
    return Given(aggregate_type, events)


def when(action: Callable[[], A]) -> Recorded[A]:
    """Create an aggregate, and return what was recorded: `when(lambda: Order.place("o1")).then(OrderPlaced(order_id="o1"))`.

    Args:
        action: creates the aggregate.
    """
    return _called(action, lambda result: result)


def _called(action: Callable[[], Any], aggregate_of: Callable[[Any], A | None]) -> Recorded[A]:
    try:
        result = action()
    except Exception as error:  # noqa: BLE001 -- `then` raises it
        aggregate = aggregate_of(None)
        return Recorded(aggregate, () if aggregate is None else aggregate.recorded, error=error)
    aggregate = aggregate_of(result)
    return Recorded(aggregate, () if aggregate is None else aggregate.recorded, result)


def raised(found: BaseException | None, error: type[E], match: str, subject: str) -> E:
    """Return an error of a class whose text matches.

    Raises:
        AssertionError: nothing, or another error, was raised.
    """
    if found is None:
        raise AssertionError(f"{subject} raised nothing; expected was {error.__name__}.")
    if not isinstance(found, error):
        raise AssertionError(f"{subject} raised {found!r}; expected was {error.__name__}.") from found  # noqa: TRY004 -- a test fails by it
    if not re.search(match, str(found)):
        raise AssertionError(f"{subject} raised {found!r}, whose text does not match {match!r}.") from found
    return found
