"""Which fields of a value do not fit, for error messages."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final, get_args

from pydantic import ValidationError
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ErrorType

from .._background.shown import shown

_MOST: Final = 10
"""The largest number of fields that an error names."""

_KINDS: Final = frozenset(get_args(ErrorType))
"""The kinds of faults that pydantic finds."""

_MAPPINGS: Final = frozenset({"dict", "extras_schema"})
"""The names in a core schema that has mappings."""

_KEY: Final = "[key]"
"""The last part of the path of a key that does not fit."""

_WITHOUT_VALUES: Final = _KINDS - {
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


def names_in(schema: Any) -> Collection[str] | None:
    """Return all names in a core schema of pydantic: of fields, classes and types. None: it has no mappings.

    Any other name in the path of a misfit is a key of a mapping, and thus a value.
    """
    names = {_KEY, *_names(schema)}
    return names if not names.isdisjoint(_MAPPINGS) else None


def without_keys(error: ValidationError, names: Collection[str]) -> ValidationError:
    """Return an error whose paths have an asterisk in place of keys of mappings, which may be secrets.

    Args:
        error: the error.
        names: the names that are shown; see `names_in`.
    """
    faults: list[Any] = []
    for fault in error.errors(include_url=False):
        kind, context, path = fault["type"], fault.get("ctx"), fault["loc"]
        last = len(path) - 1 if kind == "extra_forbidden" else None  # the name of an unknown field is not a key
        shown_path = tuple(
            each if isinstance(each, int) or each in names or index == last else "*" for index, each in enumerate(path)
        )
        texts: tuple[Any, Any] = kind, fault["msg"]
        known = kind if kind in _KINDS else PydanticCustomError(*texts, context)
        faults.append({"type": known, "loc": shown_path, "input": fault["input"], "ctx": context or {}})
    return ValidationError.from_exception_data(error.title, faults, "json")


def _names(schema: Any) -> Iterator[str]:
    left, seen = [schema], set[int]()
    while left:
        found = left.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, type):
            yield found.__name__
        elif isinstance(found, dict | list | tuple) and id(found) not in seen:
            seen.add(id(found))
            left.extend((*found, *found.values()) if isinstance(found, dict) else found)


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
