"""The outcomes of a step as JSON: its result, or a final error."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from pydantic import ValidationError

from .._background.failures import description
from .._buses.signature import signature_of
from .._encoding.exceptions import exception_of, fields_of
from .._encoding.lossy import LossyError
from .._encoding.misfits import misfits_without_values
from .._encoding.round_trip import RoundTrip
from ..errors import ConfigurationError, StepFailed, StepNotStorable
from ..ports.step_results import StepRecord, StepState

_EMPTY: Final = inspect.Signature.empty

UNDECLARED: Final = object()
"""The result type of a step that its call declares."""


class Outcomes:
    """Encode and decode the outcomes of one step.

    Args:
        step: the name of the step.
        call: the outside call, whose result type counts if `returns` is not given.
        returns: the result type, or `UNDECLARED`.
        errors: the final errors, by their names.

    Raises:
        ConfigurationError: the call does not declare its result type, or the type has no JSON.
    """

    def __init__(
        self, step: str, call: Callable[[str], Any], returns: Any, errors: Mapping[str, type[Exception]]
    ) -> None:
        self._step = step
        self._errors = errors
        declared = _declared(step, call) if returns is UNDECLARED else returns
        try:
            self._round_trip = _round_trip(declared)
        except Exception as error:
            raise ConfigurationError(
                f"cannot run the step {step!r}: its result type has no JSON ({error}). Return a type that pydantic supports."
            ) from error

    def result(self, value: Any) -> tuple[StepState, str]:
        """Return the state and the JSON text of a result. A result that would come back changed has another state."""
        try:
            return "kept", self._round_trip.encode(value)
        except LossyError as lossy:
            return "unstorable", json.dumps(f"{lossy}")

    def error(self, error: Exception) -> tuple[StepState, str]:
        """Return the state and the JSON text of a final error."""
        return "failed", json.dumps(fields_of(error), ensure_ascii=False)

    def value(self, record: StepRecord) -> Any:
        """Return the result of a stored record, or raise its error.

        Raises:
            StepNotStorable: the result could not be stored, or does not fit the result type any more.
            StepFailed: the class of the error is not listed in `errors=` any more.
            Exception: the error, if its class is listed.
        """
        text = record.outcome or ""
        if record.state == "failed":
            raise self._failure(json.loads(text))
        if record.state == "unstorable":
            raise StepNotStorable(
                f"the outside call of the step {self._step!r} took effect, but its result cannot be stored: "
                f"{json.loads(text)} The call is not repeated. Change the result type, and deploy; then delete the record "
                f"with {_forget(record)}, and retry the event: the call is repeated with the same idempotency key.",
                step=self._step,
            )
        try:
            return self._round_trip.decode(text)
        except Exception as error:  # noqa: BLE001 -- raised as the error of the caller
            reason = misfits_without_values(error) if isinstance(error, ValidationError) else description(error)
            raise StepNotStorable(
                f"the outside call of the step {self._step!r} took effect, but its stored result no longer fits the result "
                f"type ({reason}). Keep result types compatible, or delete the record with {_forget(record)}: the call is "
                "then repeated with the same idempotency key.",
                step=self._step,
            ) from None  # the text of the cause quotes the values

    def _failure(self, fields: Mapping[str, Any]) -> Exception:
        name = str(fields["name"])
        known = self._errors.get(name)
        if known is not None:
            return exception_of(known, fields)
        return StepFailed(
            f"the step {self._step!r} failed finally with {name}, which is not listed in errors= any more: {fields['text']}",
            step=self._step,
            name=name,
        )


def _declared(step: str, call: Callable[[str], Any]) -> Any:
    try:
        declared = signature_of(call, {}).returns
    except Exception as error:
        raise ConfigurationError(
            f"cannot run the step {step!r}: the annotations of its call cannot be resolved: {error}. Pass the result type: "
            "steps.run(..., returns=Receipt)."
        ) from error
    if declared is _EMPTY:
        raise ConfigurationError(
            f"cannot run the step {step!r}: its call does not declare its result type. Annotate the function with -> "
            "Receipt, or pass steps.run(..., returns=Receipt)."
        )
    return declared


@lru_cache(maxsize=1_024)
def _round_trip(annotation: Any) -> RoundTrip[Any]:
    """Return the encoder and decoder of a result type. pydantic raises an error if there is none."""
    return RoundTrip(annotation)


def _forget(record: StepRecord) -> str:
    return f"app.operations.forget_step({record.owner!r}, event_id={record.input!r}, step={record.name!r})"
