"""Rows as they are checked and kept: what is put fits its view, and what is kept can be read again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from .._definitions.view import View
from ..errors import NotStorable, StorageError

V = TypeVar("V", bound=View)


def checked_row(view: type[V], row: View, changes: Mapping[str, Any] | None = None) -> V:
    """Return a row with other values in some fields, validated.

    A row that was made by `model_copy(update=…)` or `model_construct` was not validated before.

    Raises:
        NotStorable: it is of another view, or a field does not fit.
    """
    if not isinstance(row, view):
        raise NotStorable(
            f"cannot put {row!r:.200} into the rows of {view.__qualname__}: it is no {view.__qualname__}. "
            f"Take ReadModel[{type(row).__qualname__}] for it."
        )
    values = row.__dict__ if changes is None else {**row.__dict__, **changes}
    try:
        checked: V = view.__pydantic_validator__.validate_python(values, by_alias=False, by_name=True)
    except ValidationError as error:
        raise NotStorable(
            f"cannot put {view.__qualname__} {values.get(view.view_key)!r:.100}: {misfits(error)}. Give the field what its "
            f"annotation says; {view.__qualname__}(...) and update() check it, model_copy() does not."
        ) from error
    return checked


class RowCodec(Generic[V]):
    """Write rows as JSON, and make rows from it, for stores that keep them whole.

    Args:
        view: the view.
    """

    def __init__(self, view: type[V]) -> None:
        self._view = view

    def encode(self, row: V) -> str:
        """Return a row as JSON text that gives the row again.

        Raises:
            NotStorable: it has none.
        """
        try:
            return readable_json(row)
        except ValueError as error:
            raise NotStorable(
                f"cannot keep {self._view.__qualname__} {row.key!r:.100}: {why(row, error)}. Put what JSON can say."
            ) from error

    def decode(self, text: str | bytes) -> V:
        """Return the row. Fields that the view does not have any more are left out.

        Raises:
            StorageError: the rest does not fit the view, for it has changed since.
        """
        try:
            return self._view.model_validate_json(text, by_alias=False, by_name=True)
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
        return self._view.model_validate_json(json.dumps(kept), by_alias=False, by_name=True)


def readable_json(made: BaseModel, *, exclude_unset: bool = False) -> str:
    """Return a model as JSON text that its class can read.

    What looks odd to pydantic, such as a part that was made without validation, is read again before it is trusted.

    Raises:
        ValueError: there is no such text; `why` says of which field.
    """
    try:
        return made.model_dump_json(by_alias=False, exclude_unset=exclude_unset, warnings="error")
    except PydanticSerializationError:
        text = made.model_dump_json(by_alias=False, exclude_unset=exclude_unset, warnings=False)
        again = type(made).model_validate_json(text, by_alias=False, by_name=True)
        return again.model_dump_json(by_alias=False, exclude_unset=exclude_unset)


def why(made: BaseModel, error: ValueError) -> str:
    """Return which field keeps a model from being written as JSON, and what was found in it."""
    if isinstance(error, ValidationError):
        return misfits(error)
    for name in type(made).model_fields:
        try:
            made.model_dump_json(include={name}, warnings=False)
        except ValueError as found:
            value = getattr(made, name)
            return f"the field {name!r} is {value!r:.100} ({type(value).__name__}): {found}"
    return str(error)


def misfits(error: ValidationError) -> str:
    """Return which fields do not fit, and what was found in them."""
    return "; ".join(map(_misfit, error.errors(include_url=False)))


def _misfit(fault: Any) -> str:
    if not fault["loc"]:
        return str(fault["msg"])
    field = f"the field {'.'.join(map(str, fault['loc']))!r}"
    if fault["type"] == "missing":
        return f"{field} is missing"
    return f"{field} is {fault['input']!r:.100} ({type(fault['input']).__name__}): {fault['msg']}"


def _is_unknown(fault: Any) -> bool:
    return fault["type"] == "extra_forbidden" and len(fault["loc"]) == 1
