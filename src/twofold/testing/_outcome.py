"""The result of one step of a scenario."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, NamedTuple, Self, TypeVar

from .._definitions.message import Command, Event
from ._difference import check_equal
from ._given import raised

R = TypeVar("R")
E = TypeVar("E", bound=BaseException)


class Scheduled(NamedTuple):
    """A command that is scheduled.

    Attributes:
        command: the command.
        after: the time until it is due.
    """

    command: Command[Any]
    after: timedelta


class Failed(NamedTuple):
    """An event that a subscription could not process.

    Attributes:
        subscription: the name of the subscription.
        event: the event.
        reason: the class and the text of the last error.
        retried: whether a retry is pending; otherwise the event is parked.
    """

    subscription: str
    event: Event
    reason: str
    retried: bool


class OutsideCall(NamedTuple):
    """An outside call of a durable step.

    Attributes:
        subscription: the event handler that ran the step.
        step: the name of the step.
        key: the idempotency key of the call.
        result: the result; None if the call raised an exception.
        error: the exception that the call raised, if it raised one.
    """

    subscription: str
    step: str
    key: str
    result: Any
    error: Exception | None


@dataclass(slots=True)
class Outcome(Generic[R]):
    """The result of one step of a scenario, when all subscriptions have caught up.

    Attributes:
        subject: the name of the step in error messages.
        result: the return value of the handler; None if it raised an error.
        error: the exception that the handler raised, if it raised one.
        events: the events that were appended, in the order of the log.
        commands: the commands that handlers dispatched, in order, without the command of the step itself.
        scheduled: the commands that are scheduled at the end of the step, the earliest first.
        failed: the events that subscriptions could not process, with those of earlier steps.
        calls: the outside calls of durable steps, in the order in which they ended. Kept results cause no call.
    """

    subject: str
    result: R
    error: Exception | None
    events: Sequence[Event]
    commands: Sequence[Command[Any]]
    scheduled: Sequence[Scheduled]
    failed: Sequence[Failed]
    calls: Sequence[OutsideCall] = ()
    checked: set[object] = field(default_factory=set)
    """The checks of the test: `error`, and names of subscriptions. At its end, a scenario raises unchecked errors."""

    def then_events(self, *events: Event) -> Self:
        """Check that exactly these events were appended, in this order.

        Raises:
            AssertionError: other events were appended, or the step raised an error.
        """
        self.raise_unchecked()
        check_equal(f"{self.subject}: the events", events, self.events)
        return self

    def then_commands(self, *commands: Command[Any]) -> Self:
        """Check that handlers dispatched exactly these commands, in this order.

        Raises:
            AssertionError: they dispatched others, or the step raised an error.
        """
        self.raise_unchecked()
        check_equal(f"{self.subject}: the dispatched commands", commands, self.commands)
        return self

    def then_scheduled(self, *scheduled: tuple[Command[Any], timedelta]) -> Self:
        """Check that exactly these commands are scheduled at the end of the step.

        Args:
            scheduled: each command with the time until it is due, the earliest first.

        Raises:
            AssertionError: others are scheduled, or the step raised an error.
        """
        self.raise_unchecked()
        expected = [Scheduled(*each) for each in scheduled]
        check_equal(f"{self.subject}: the scheduled commands", expected, self.scheduled)
        return self

    def then_calls(self, *steps: str) -> Self:
        """Check that exactly the outside calls of these steps were made, in this order.

        Args:
            steps: the names of the steps. A call that was repeated counts each time.

        Raises:
            AssertionError: other calls were made, or the step raised an error.
        """
        self.raise_unchecked()
        check_equal(f"{self.subject}: the outside calls", steps, [each.step for each in self.calls])
        return self

    def then_returns(self, result: R) -> Self:
        """Check the return value of the handler.

        Raises:
            AssertionError: the handler returned another value, or raised an error.
        """
        self.raise_unchecked()
        check_equal(f"{self.subject}: the results", [result], [self.result])
        return self

    def then_raises(self, error: type[E], match: str = "") -> E:
        """Check that the handler raised an error and appended no event. Return the error.

        Args:
            error: the class of the error.
            match: a regular expression that is searched in its text.

        Raises:
            AssertionError: the handler raised nothing or another error, or its events were appended.
        """
        self.checked.add("error")
        found = raised(self.error, error, match, self.subject)
        check_equal(f"{self.subject}: the events", (), self.events)
        return found

    def then_fails(self, subscription: str, match: str = "") -> Failed:
        """Check that a subscription failed to process an event, so that the event is retried later or is parked.

        Args:
            subscription: the name of the projection or event handler.
            match: a regular expression that is searched in the class and the text of the last error.

        Raises:
            AssertionError: the subscription has no such event.
        """
        self.checked.add(subscription)
        for each in self.failed:
            if each.subscription == subscription and re.search(match, each.reason):
                return each
        found = "\n".join(f"  {each.subscription}: {each.reason}" for each in self.failed) or "  none"
        raise AssertionError(
            f"{self.subject}: {subscription!r} has no failed event whose reason matches {match!r}. Failed events:\n{found}"
        )

    def raise_unchecked(self) -> None:
        """Raise the error of the step, unless the test has checked it.

        Raises:
            AssertionError: the handler raised an error.
        """
        if self.error is not None and "error" not in self.checked:
            self.checked.add("error")
            raise AssertionError(
                f"{self.subject} raised {self.error!r}. Check an expected error with then_raises."
            ) from self.error
