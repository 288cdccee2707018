"""Which fields of a value do not fit, for error messages."""

from __future__ import annotations

from typing import Any, Final, get_args

from pydantic import ValidationError
from pydantic_core.core_schema import ErrorType

from .._background.shown import shown

_MOST: Final = 10
"""The largest number of fields that an error names."""

_WITHOUT_VALUES: Final = frozenset(get_args(ErrorType)) - {
    "assertion_error",
    "get_attribute_error",
    "iteration_error",
    "union_tag_invalid",
    "value_error",
}
"""The kinds of faults whose text does not quote the value. Validators of the user raise the others, with any text."""


def misfits(error: ValidationError) -> str:
    """Return which fields do not fit, and the values that were found in them."""
    return "; ".join(map(_misfit, error.errors(include_url=False)))


def misfits_without_values(error: ValidationError) -> str:
    """Return which fields of a stored or received value do not fit, without their values.

    The text reaches log lines, `health()` and other applications, and a field may be a secret.
    """
    faults = error.errors(include_url=False, include_input=False)
    more = f"; and {len(faults) - _MOST} more" if len(faults) > _MOST else ""
    return "; ".join(map(_misfit_without_value, faults[:_MOST])) + more


def cause_without_values(error: Exception) -> Exception | None:
    """Return the cause of an error about a stored or received value: none if its text, in a traceback, quotes the value."""
    return None if isinstance(error, ValidationError) else error


def _misfit_without_value(fault: Any) -> str:
    field = f"the field {'.'.join(map(str, fault['loc']))!r:.100}"
    if fault["type"] == "missing":
        return f"{field} is missing"
    found = fault["msg"]
    if fault["type"] not in _WITHOUT_VALUES:
        raised = fault.get("ctx", {}).get("error")
        found = f"a validator raises {type(raised).__name__}" if isinstance(raised, Exception) else fault["type"]
    return f"{field}: {found}" if fault["loc"] else str(found)


def _misfit(fault: Any) -> str:
    if not fault["loc"]:
        return str(fault["msg"])
    field = f"the field {'.'.join(map(str, fault['loc']))!r}"
    if fault["type"] == "missing":
        return f"{field} is missing"
    return f"{field} is {shown(fault['input'])}: {fault['msg']}"
