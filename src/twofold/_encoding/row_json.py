"""Rows of read models as JSON, for stores that keep a row in one value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from .._definitions.view import View
from ..errors import NotStorable, StorageError
from .misfits import misfits, why
from .round_trip import RoundTrip

V = TypeVar("V", bound=View)


def checked_row(view: type[V], row: View, changes: Mapping[str, Any] | None = None) -> V:
    """Return a row with other values in some fields, validated.

    A row that was created by `model_copy(update=…)` or `model_construct` was not validated before.

    Raises:
        NotStorable: the row belongs to another view, or a field does not fit.
    """
    if not isinstance(row, view):
        raise NotStorable(
            f"cannot put {row!r:.200} into the rows of {view.__qualname__}: it is not a {view.__qualname__}. "
            f"Use ReadModel[{type(row).__qualname__}] for it."
        )
    values = row.__dict__ if changes is None else {**row.__dict__, **changes}
    try:
        checked: V = view.__pydantic_validator__.validate_python(values, by_alias=False, by_name=True)
    except ValidationError as error:
        raise NotStorable(
            f"cannot put {view.__qualname__} {values.get(view.view_key)!r:.100}: {misfits(error)}. Use a value that fits "
            f"the annotation; {view.__qualname__}(...) and update() check values, model_copy() does not."
        ) from error
    return checked


class RowCodec(Generic[V]):
    """Encode and decode the rows of a view as JSON, for stores that keep a row in one value.

    Args:
        view: the view.
    """

    def __init__(self, view: type[V]) -> None:
        self._view = view
        self._round_trip: RoundTrip[V] = RoundTrip(view)

    def encode(self, row: V) -> str:
        """Return a row as JSON text that can be decoded.

        Raises:
            NotStorable: the row has no such text.
        """
        try:
            return self._round_trip.encode_valid(row)
        except ValueError as error:
            raise NotStorable(
                f"cannot keep {self._view.__qualname__} {row.key!r:.100}: {why(row, error)}. Use values that JSON supports."
            ) from error

    def decode(self, text: str | bytes) -> V:
        """Return the row. Fields that the view no longer has are left out.

        Raises:
            StorageError: the other fields do not fit the view, because the view was changed.
        """
        try:
            return self._round_trip.decode(text)
        except ValidationError as error:
            unknown = {fault["loc"][0] for fault in error.errors(include_url=False) if _is_unknown(fault)}
            try:
                if not unknown:
                    raise
                return self._without(text, unknown)
            except ValidationError as misfit:
                raise StorageError(
                    f"cannot read a stored row of {self._view.__qualname__}: it does not fit the class any more: "
                    f"{misfits(misfit)}. Restore the field, give it a default, or rebuild the projection that fills it."
                ) from error

    def _without(self, text: str | bytes, fields: set[int | str]) -> V:
        kept = {name: value for name, value in json.loads(text).items() if name not in fields}
        return self._round_trip.decode(json.dumps(kept))


def _is_unknown(fault: Any) -> bool:
    return fault["type"] == "extra_forbidden" and len(fault["loc"]) == 1
