"""Rows that could not be read: known to the process that found them, until they are readable or gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ..errors import InvalidKey, UnreadableRow
from ..ports.transactions import ReadTransaction
from .keys import row_key

_REMEMBERED: Final = 10
"""The maximal number of rows of each view."""


@dataclass(slots=True, eq=False)
class UnreadableRows:
    """The rows that this process could not read."""

    _errors: dict[str, dict[str, UnreadableRow]] = field(default_factory=dict, init=False)

    def add(self, error: UnreadableRow) -> None:
        """Record a row."""
        errors = self._errors.setdefault(error.view.view_name, {})
        if len(errors) < _REMEMBERED:
            errors[repr(error.key)] = error

    def __bool__(self) -> bool:
        """Return whether any row is recorded."""
        return bool(self._errors)

    async def left(self, transaction: ReadTransaction) -> Sequence[UnreadableRow]:
        """Read the recorded rows again, and return the errors of those that are still unreadable."""
        errors = [error for errors in self._errors.values() for error in errors.values()]
        self._errors.clear()
        for error in errors:
            try:
                await transaction.rows(error.view).get_many((row_key(error.view, error.key),))
            except UnreadableRow as again:
                self.add(again)
            except InvalidKey:  # the row does not show its key
                self.add(error)
        return [error for errors in self._errors.values() for error in errors.values()]
