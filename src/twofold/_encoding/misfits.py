"""Which fields of a value do not fit, for error messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError


def misfits(error: ValidationError) -> str:
    """Return which fields do not fit, and the values that were found in them."""
    return "; ".join(map(_misfit, error.errors(include_url=False)))


def why(model: BaseModel, error: ValueError) -> str:
    """Return which field keeps a model from being written as JSON, and the value that was found in it."""
    if isinstance(error, ValidationError):
        return misfits(error)
    for name, found in unwritable(model):
        value = getattr(model, name)
        return f"the field {name!r} is {value!r:.100} ({type(value).__name__}): {found}"
    return str(error)


def unwritable(model: BaseModel) -> Iterator[tuple[str, ValueError]]:
    """Yield the fields of a model that have no JSON, each with the error."""
    for name in type(model).model_fields:
        try:
            model.model_dump_json(include={name}, warnings=False)
        except ValueError as found:
            yield name, found


def _misfit(fault: Any) -> str:
    if not fault["loc"]:
        return str(fault["msg"])
    field = f"the field {'.'.join(map(str, fault['loc']))!r}"
    if fault["type"] == "missing":
        return f"{field} is missing"
    return f"{field} is {fault['input']!r:.100} ({type(fault['input']).__name__}): {fault['msg']}"
