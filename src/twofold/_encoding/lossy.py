"""Explain why a value cannot be stored: which part, its value, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from .._background.shown import shown
from .difference import Difference, Path
from .secrets import ADVICE, MASK, is_secret

_FIT = "Annotate the field with the class of its values, or use a value that fits the annotation."


class LossyError(ValueError):
    """A value would come back from JSON changed, or not at all. The text is a sentence without its subject."""


def has_no_json(dump: Callable[..., bytes], value: Any, error: Exception) -> LossyError:
    """Return the error for a value that cannot be encoded, with the fields that are the reason."""
    found = []
    for name in type(value).model_fields if isinstance(value, BaseModel) else ():
        try:
            dump(value, include={name}, by_alias=False, round_trip=True, warnings=False)
        except Exception as each:  # noqa: BLE001 -- serializers of the user raise any error
            found.append(f"{_named((name,))} is {shown(value.__dict__.get(name))}, which has no JSON ({_short(each)})")
    return LossyError(f"{'; '.join(found) or f'it has no JSON ({_short(error)})'}. Use types that pydantic supports.")


def is_too_large(dump: Callable[..., bytes], value: Any, size: int, largest: int) -> LossyError:
    """Return the error for a value that is too large, with its largest field."""
    sizes = {
        name: len(dump(value, include={name}, by_alias=False, round_trip=True, warnings=False))
        for name in (type(value).model_fields if isinstance(value, BaseModel) else ())
    }
    where = f", most of them in the field {max(sizes, key=sizes.__getitem__)!r}" if sizes else ""
    return LossyError(
        f"it has {size:,} bytes as JSON{where}; the limit is {largest:,} bytes. Store large contents elsewhere, such as in "
        "an object store, and keep a reference."
    )


def cannot_be_read(value: Any, error: ValidationError) -> LossyError:
    """Return the error for a value whose JSON its own class refuses."""
    found = [
        f"{_named(fault['loc'])} is {shown(part(value, fault['loc']))}, which cannot be read back from JSON: {fault['msg']}"
        for fault in error.errors(include_url=False, include_context=False, include_input=False)[:3]
    ]
    return LossyError(f"{'; '.join(found)}. {_FIT}")


def comes_back_changed(found: Difference) -> LossyError:
    """Return the error for a part that would come back as another value."""
    path, value, again = found
    if is_secret(value):
        return LossyError(f"{_named(path)} is a secret, and would come back masked, as {MASK}. {ADVICE}")
    return LossyError(f"{_named(path)} is {shown(value)}, and would come back from JSON as {shown(again)}. {_FIT}")


def part(value: Any, path: Sequence[Any]) -> Any:
    """Return the part of a value that a path leads to, as far as it can be followed."""
    for step in path:
        try:
            if isinstance(value, Mapping) or (isinstance(step, int) and isinstance(value, Sequence)):
                value = value[step]
            else:
                value = getattr(value, str(step))
        except (AttributeError, LookupError, TypeError):
            continue  # pydantic adds the name of the branch of a union
    return value


def _named(path: Path) -> str:
    return f"the field {'.'.join(map(str, path))!r}" if path else "the value"


def _short(error: Exception) -> str:
    return f"{error}".removeprefix("Error serializing to JSON: ")[:200]
