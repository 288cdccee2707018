"""Results of commands as JSON, for idempotency records."""

from __future__ import annotations

from functools import cache
from typing import Any

from .._definitions.message import Command
from ..errors import ResultNotRecordable
from .answer_types import answers_of
from .round_trip import Changed


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
        """Return a result as JSON text that comes back as an equal result.

        Raises:
            ResultNotRecordable: there is no such text.
        """
        try:
            if result != result:  # NaN, which comes back as NaN
                return self._round_trip.encode(result)
            return self._round_trip.encode_equal(result)
        except Changed as changed:
            raise self._lossy(str(changed)) from changed
        except Exception as error:
            raise self._lossy(f"it has no JSON that can be read back ({error})") from error

    def decode(self, text: str) -> Any:
        """Return a recorded result.

        Raises:
            ResultNotRecordable: the result type was changed since.
        """
        try:
            return self._round_trip.decode(text)
        except Exception as error:
            raise ResultNotRecordable(
                f"cannot answer {self._name} again: the command has taken effect, and its recorded result does not fit the "
                f"result type any more ({error}). Query the data that it changed. Keep result types compatible for as long "
                "as idempotency keys are kept."
            ) from error

    def _lossy(self, found: str) -> ResultNotRecordable:
        return ResultNotRecordable(
            f"cannot record the result of {self._name}: {found}. Nothing was committed. Return exactly the declared result "
            "type, and let it be plain data: no secrets, no fields that JSON leaves out."
        )
