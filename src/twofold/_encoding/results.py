"""Results of commands as JSON, for idempotency records."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import ValidationError

from .._background.failures import description
from .._definitions.message import Command
from ..errors import ResultNotRecordable
from .lossy import LossyError
from .misfits import cause_without_values, misfits_without_values
from .result_types import answers_of


class Results:
    """Encode and decode the results of one type of command.

    Raises:
        ResultNotRecordable: the result type has no JSON.
    """

    def __init__(self, command_type: type[Command[Any]]) -> None:
        self._name = command_type.__name__
        try:
            self._round_trip = answers_of(command_type)
        except Exception as error:
            raise ResultNotRecordable(
                f"cannot dispatch {self._name} with an idempotency key: its result type has no JSON ({error}). "
                f"Use a result type that pydantic supports: class {self._name}(Command[str])."
            ) from error

    @staticmethod
    @cache
    def of(command_type: type[Command[Any]]) -> Results:
        """Return the encoder and decoder of a type of command. It is created once."""
        return Results(command_type)

    def encode(self, result: Any) -> str:
        """Return a result as JSON text that comes back as the same result.

        Raises:
            ResultNotRecordable: there is no such text.
        """
        try:
            return self._round_trip.encode(result)
        except LossyError as lossy:
            raise ResultNotRecordable(
                f"cannot record the result of {self._name}: {lossy} Nothing was committed."
            ) from lossy

    def decode(self, text: str) -> Any:
        """Return a recorded result.

        Raises:
            ResultNotRecordable: the result type was changed since.
        """
        try:
            return self._round_trip.decode(text)
        except Exception as error:  # noqa: BLE001 -- raised as the error of the caller
            reason = misfits_without_values(error) if isinstance(error, ValidationError) else description(error)
            raise ResultNotRecordable(
                f"cannot return the recorded result of {self._name}: it no longer fits the result type ({reason}). The "
                f"command itself was committed. Query the data that it changed. Keep result types compatible for as long "
                "as idempotency keys are kept."
            ) from cause_without_values(error)
