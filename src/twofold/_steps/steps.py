"""Durable steps: an event handler's outside calls, whose results are kept and reused by later attempts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, TypeVar, overload

from .._background.calls import Calls, recorded
from .._background.shown import shown, shown_option
from .._definitions.names import LONGEST_LABEL, wrong_text
from .._dispatch.inputs import StepCall
from .._dispatch.scope import Scope
from .._encoding.exceptions import by_name
from ..errors import ConfigurationError, StepInTransaction, StepRepeated, StepTimedOut, StepUnknown
from .deadline import DeadlinePassed, in_time, outside
from .outcomes import UNDECLARED, Outcomes
from .records import StepRecords

T = TypeVar("T")

OnUnknown = Literal["repeat", "raise"]
"""Whether a step whose outcome is unknown is repeated, or raises an error."""


class Steps:
    """Runs outside calls once. An event handler takes one as a parameter.

        @app.event_handler(OrderPlaced, name="payments")
        async def pay(event: OrderPlaced, steps: Steps, commands: CommandBus) -> None:
            async def charge(key: str) -> Receipt:
                return await provider.charge(event.amount, idempotency_key=key)

            receipt = await steps.run("charge", charge)
            await commands.dispatch(RecordPayment(order_id=event.order_id, receipt=receipt))

    The result of a call is stored in a transaction of its own as soon as it is known. Each later attempt to handle the same
    event gets the stored result, and does not make the call. The records of an event are deleted in the transaction that
    ends its handling.

    If the process dies, or the deadline passes, after the call was begun and before its result was stored, the outcome is
    unknown. The next attempt repeats the call with the same idempotency key, so the other side must recognise the key. With
    `on_unknown="raise"` the call is not repeated, and the handler gets `StepUnknown`.

    Only calls of `run` are remembered. All other code of the handler runs again in each attempt.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._calls: Calls = scope.calls
        self._input = scope.input
        self._records = StepRecords(scope.services, self._input)
        self._names: set[str] = set()

    @overload
    async def run(
        self,
        name: str,
        call: Callable[[str], Awaitable[T]],
        *,
        returns: Any = ...,
        timeout: float | None = ...,
        errors: Sequence[type[Exception]] = ...,
        on_unknown: OnUnknown = ...,
        no_effect: tuple[type[Exception], ...] = ...,
    ) -> T: ...
    @overload
    async def run(
        self,
        name: str,
        call: Callable[[str], T],
        *,
        returns: Any = ...,
        timeout: float | None = ...,
        errors: Sequence[type[Exception]] = ...,
        on_unknown: OnUnknown = ...,
        no_effect: tuple[type[Exception], ...] = ...,
    ) -> T: ...
    @recorded
    async def run(
        self,
        name: str,
        call: Callable[[str], Any],
        *,
        returns: Any = UNDECLARED,
        timeout: float | None = 30.0,
        errors: Sequence[type[Exception]] = (),
        on_unknown: OnUnknown = "repeat",
        no_effect: tuple[type[Exception], ...] = (),
    ) -> Any:
        """Return the stored result of a step, or make the call and store its result.

        Run steps before the first use of the unit of work, such as a repository, a dispatched command or a unique value, so
        that no transaction is open during a call. Read what a call needs from the event, a read model, or with a query.

        Args:
            name: the name of the step, the same in each attempt and in each release; at most 200 characters.
            call: makes the call. It gets the idempotency key, a UUID as text that depends on the subscription, the event and
                the name. An async function runs here, a sync function in a thread.
            returns: the result type; by default the declared result type of `call`. The result must survive JSON.
            timeout: the deadline, in seconds from now; None for no limit. The call is cancelled at its deadline. A thread
                cannot be cancelled, and continues.
            errors: final errors. They are stored like results, and each later attempt raises them again.
            on_unknown: "repeat" repeats a call whose outcome is unknown. "raise" stores that the call begins before each
                call, and raises `StepUnknown` in later attempts. Any exception of the call that is not in `errors` or
                `no_effect` leaves the outcome unknown.
            no_effect: with `on_unknown="raise"`: exceptions after which the call certainly took no effect, such as a refused
                connection. The next attempt makes the call again.

        Returns:
            The result of the call in this attempt or an earlier one.

        Raises:
            StepTimedOut: the deadline passed. The outcome is unknown.
            StepUnknown: the step was begun before, its outcome is unknown, and `on_unknown` is "raise".
            StepFailed: the class of a stored error is not in `errors` any more.
            StepNotStorable: the call took effect, and its result cannot be stored, or does not fit the type any more.
            StepRepeated: the handler has run a step of this name.
            StepInTransaction: the handler has used its unit of work before.
            ConfigurationError: the result type is not declared or has no JSON, or an argument is not valid.
        """
        self._check(name, timeout, on_unknown)
        final = by_name(errors)
        outcomes = Outcomes(name, call, returns, final)
        self._check_no_transaction(name, "the handler has used its unit of work before")
        found = await self._records.find(name)
        if found is not None and found.outcome is not None:
            return outcomes.value(found)
        if on_unknown == "raise":
            begun = found or await self._records.begin(name)
            if begun is not None and begun.outcome is not None:
                return outcomes.value(begun)  # another worker was faster
            if begun is not None:
                raise self._unknown(name)
        try:
            result = await self._perform(name, call, timeout, (*final.values(), *no_effect))
        except tuple(final.values()) as error:
            state, text = outcomes.error(error)
            kept = await self._records.keep(name, state, text)
            if kept.outcome == text:
                raise
            return outcomes.value(kept)
        except no_effect:
            if on_unknown == "raise":
                await self._records.delete(name)
            raise
        self._check_no_transaction(name, "its call has used the unit of work of the handler, and may have taken effect")
        state, text = outcomes.result(result)
        kept = await self._records.keep(name, state, text)
        return result if (state, text) == ("kept", kept.outcome) else outcomes.value(kept)

    async def _perform(
        self, name: str, call: Callable[[str], Any], timeout: float | None, expected: tuple[type[Exception], ...]
    ) -> Any:
        details = StepCall(self._input.owner, self._input.id, name, self._input.key(name))
        perform = self._scope.services.outside.perform
        try:
            return await in_time(lambda: perform(details, lambda key: outside(call, key)), timeout, expected)
        except DeadlinePassed as passed:
            raise StepTimedOut(
                f"the outside call of the step {name!r} of {self._input.owner!r} did not end within {timeout:g} s, so its "
                f"outcome is unknown. Its idempotency key is {details.key}. Raise timeout=, or make the call faster.",
                step=name,
            ) from passed.__cause__

    def _unknown(self, name: str) -> StepUnknown:
        of = self._input
        return StepUnknown(
            f"the step {name!r} of {of.owner!r} was begun before, and its outcome is unknown, so the call is not repeated. "
            f"Ask the other side whether the call with the idempotency key {of.key(name)} took effect. If it did not, call "
            f"app.operations.forget_step({of.owner!r}, event_id={of.id!r}, step={name!r}) and retry the event. If it did, "
            "do the rest of the handler by hand, and discard the event.",
            step=name,
        )

    def _check(self, name: str, timeout: float | None, on_unknown: str) -> None:
        if wrong := wrong_text(name, LONGEST_LABEL):
            raise ConfigurationError(f"cannot use {shown(name)} as the name of a step: {wrong}.")
        if timeout is not None and not timeout > 0:
            raise ConfigurationError(
                f"cannot run the step {name!r} with timeout={timeout}: the timeout must be a positive number of seconds."
            )
        if on_unknown not in ("repeat", "raise"):
            raise ConfigurationError(
                f"cannot run the step {name!r} with on_unknown={shown_option(on_unknown)}: use 'repeat' or 'raise'."
            )
        if name in self._names:
            raise StepRepeated(
                f"cannot run the step {name!r} of {self._input.owner!r} twice with one event: results are stored by name. "
                "Give each step a name of its own, such as f'charge {item.id}'.",
                step=name,
            )
        self._names.add(name)

    def _check_no_transaction(self, name: str, found: str) -> None:
        unit = self._scope.unit
        if self._scope.ended:
            self._scope.unit_of_work()  # raises the error for a handler that has ended
        if unit is not None and unit.has_begun:
            raise StepInTransaction(
                f"cannot run the step {name!r} of {self._input.owner!r}: {found}, so a transaction is open. Run steps "
                "before the first use of a repository, a command or another part of the unit of work. Read with a ReadModel "
                "or a query, or move the rest to another event handler.",
                step=name,
            )
