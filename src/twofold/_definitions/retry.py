"""Options of subscriptions: where they start, when a projection is updated, and how a failing event is retried."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Final, Literal, TypeAlias

from .._background.backoff import exponential
from .._background.failures import is_always_retried
from .._background.shown import shown_option
from ..errors import InvalidDefinition, TransactionIdled
from .position import Position

Mode: TypeAlias = Literal["async", "inline"]
"""When a projection is updated: after the commit, by a subscription, or in the transaction of the command."""


Start: TypeAlias = Literal["beginning", "now"] | Position
"""The start of a subscription that runs for the first time."""

Errors: TypeAlias = type[Exception] | tuple[type[Exception], ...]
"""One class of errors, or several."""

_LONGEST: Final = 31_536_000
"""The longest delay between two attempts, in seconds: a year."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Retry a failing event with exponential backoff before it is parked. Events of other keys continue in the meantime.

        Retry(attempts=12, delay=1.0, park_on=InvalidAddress, skip_on=CustomerDeleted)

    The class of the error decides whether the event is retried, parked or skipped. If several of the classes fit, the most
    specific one decides: the one that comes first in the error's method resolution order. An error of a class that is in
    none of them is parked immediately. The same holds for scheduled commands, which are stuck instead of parked.

    Failures of a store or a broker (`TransientFailure`, `CommitUnknown`, …) do not depend on the event. They are always
    retried, and never park or skip an event. The exception is `TransactionIdled`: the handler was too slow, or the process
    was paused. If no option names its class, it is retried like the errors of `on`.

    Attributes:
        attempts: the total number of attempts, at least 1.
        delay: the delay before the second attempt, in seconds. It doubles after each attempt.
        longest: the longest delay between two attempts, in seconds, at most a year.
        on: the errors that are retried: a class or a tuple of classes. By default, every `Exception`.
        park_on: the errors that park the event immediately, without further attempts.
        skip_on: the errors after which the event is skipped: the subscription never handles it again, and later events of
            its key continue. Each skipped event is logged as a warning and counted in `SubscriptionStatus.skipped`.

    Raises:
        InvalidDefinition: a number is out of range, a class is not an `Exception`, a class is in two of the options, or
            `park_on` or `skip_on` names a failure that is always retried.
    """

    attempts: int = 5
    delay: float = 0.1
    longest: float = 30.0
    on: Errors = Exception
    park_on: Errors = ()
    skip_on: Errors = ()

    def __post_init__(self) -> None:
        attempts: object = self.attempts
        if not isinstance(attempts, int) or attempts < 1:
            raise _wrong("attempts", attempts, "it must be an integer of at least 1")
        for name in ("delay", "longest"):
            seconds: object = getattr(self, name)
            if not isinstance(seconds, int | float) or not isfinite(seconds) or not 0 <= seconds <= _LONGEST:
                raise _wrong(name, seconds, f"it must be a number of seconds from 0 to {_LONGEST}")
        found: dict[object, str] = {}
        for name in ("on", "park_on", "skip_on"):
            for each in _classes(getattr(self, name)):
                if not (isinstance(each, type) and issubclass(each, Exception)):
                    raise _wrong(name, each, _advice(each))
                if name != "on" and is_always_retried(each):
                    raise _wrong(name, each, "this failure does not depend on the event and is always retried. Omit it")
                if found.setdefault(each, name) != name:
                    default = ", which is the default of on=" if each is Exception and self.on is Exception else ""
                    raise _wrong(
                        name, each, f"{found[each]}= contains this class, too{default}. Keep it in one of them"
                    )

    @property
    def has_classes(self) -> bool:
        """Whether the class of an error makes a difference."""
        return self.on is not Exception or bool(_classes(self.park_on) or _classes(self.skip_on))

    def delay_after(self, attempts: int, error: Exception | None = None) -> float | None:
        """Return the delay in seconds after this many failed attempts, or None if there is no further attempt.

        Args:
            attempts: the number of failed attempts.
            error: the error of the last attempt; None for an error that is retried.
        """
        if attempts >= self.attempts or (error is not None and self._decides(error) != "on"):
            return None
        return exponential(self.delay, self.longest, attempts - 1)

    def skips(self, error: Exception) -> bool:
        """Return whether an event is skipped after an error."""
        return self._decides(error) == "skip_on"

    def _decides(self, error: Exception) -> str | None:
        """Return the name of the option with the most specific class of an error."""
        by_class = {each: name for name in ("on", "park_on", "skip_on") for each in _classes(getattr(self, name))}
        found = next((by_class[each] for each in type(error).__mro__ if each in by_class), None)
        return "on" if found is None and isinstance(error, TransactionIdled) else found


def _classes(given: Errors) -> tuple[object, ...]:
    return given if isinstance(given, tuple) else (given,)


def _advice(given: object) -> str:
    if isinstance(given, type) and issubclass(given, BaseException):
        return "it is not a subclass of Exception. A cancellation and the end of the process are not failures. Omit it"
    return "pass an exception class, or a tuple of exception classes"


def _wrong(name: str, given: object, advice: str) -> InvalidDefinition:
    shown = given.__qualname__ if isinstance(given, type) else f"{shown_option(given)}"
    return InvalidDefinition(f"cannot use Retry({name}={shown}): {advice}.")
