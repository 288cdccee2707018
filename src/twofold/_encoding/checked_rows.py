"""Rows as every store accepts them: they fit their view, and come back from JSON as the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

from pydantic import ValidationError

from .._background.shown import shown
from .._definitions.view import View
from ..errors import NotStorable
from .lossy import LossyError
from .misfits import misfits
from .plain_rows import plain_rows
from .row_json import round_trip_of_rows
from .row_values import stored_forms

V = TypeVar("V", bound=View)


class CheckedRow(NamedTuple, Generic[V]):
    """A row that every store accepts.

    Attributes:
        row: the row in its stored form.
        text: the row as JSON text that comes back as the same row. None if the types of its values show that it comes back:
            a store that keeps texts encodes it, and other stores need no text.
    """

    row: V
    text: str | None


def checked_row(view: type[V], row: View, changes: Mapping[str, Any] | None = None) -> CheckedRow[V]:
    """Return the stored form of a row, with other values in some fields.

    A row that was created by `model_copy(update=…)` or `model_construct` was not validated before.

    Raises:
        NotStorable: the row belongs to another view, a field does not fit, or a value would come back changed.
    """
    if type(row) is not view:
        raise NotStorable(
            f"cannot put {shown(row)} into the rows of {view.__qualname__}: its class is not {view.__qualname__}. "
            f"Use ReadModel[{type(row).__qualname__}] for it."
        )
    if changes is None:
        try:
            return _as_stored(view, row)
        except LossyError:
            changes = {}  # validation may convert the value
    values = {**row.__dict__, **changes}
    try:
        validated = view.__pydantic_validator__.validate_python(values, by_alias=False, by_name=True)
        return _as_stored(view, validated)
    except ValidationError as error:
        raise _not_storable(view, values, f"{misfits(error)}. {_ADVICE}") from error
    except LossyError as lossy:
        raise _not_storable(view, values, str(lossy)) from lossy


def _as_stored(view: type[V], row: Any) -> CheckedRow[V]:
    """Return a row whose scalar fields have the form that every store accepts.

    Raises:
        LossyError: no store accepts a value, or a value would come back changed.
    """
    plain = plain_rows(view)
    if plain is not None and plain.has(row):
        return CheckedRow(row, None)
    changed: dict[str, Any] = {}
    values = row.__dict__
    for name, normalise in stored_forms(view).items():
        value = values.get(name)
        if value is not None:
            try:
                form = normalise(value)
            except (ValueError, TypeError, AttributeError) as error:  # a row without validation has values of any class
                raise LossyError(f"the field {name!r} is {shown(value)}: {error}.") from error
            if form is not value:
                changed[name] = form
    stored = row
    if changed:
        stored = row.model_copy(update=changed)
        if plain is not None and plain.has(stored):
            return CheckedRow(stored, None)
    return CheckedRow(stored, round_trip_of_rows(view).encode(stored))


def _not_storable(view: type[View], values: Mapping[str, Any], found: str) -> NotStorable:
    return NotStorable(f"cannot put {view.__qualname__} {shown(values.get(view.view_key))}: {found}")


_ADVICE: Final = "Use a value that fits the annotation; model_copy() does not check values, and update() does."
