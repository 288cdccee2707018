"""The keys by which callers name rows."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from .._background.shown import shown
from .._definitions.view import View
from ..errors import InvalidKey
from .fields import Refused, fields_of


def row_key(view: type[View], key: object) -> Any:
    """Return a caller's key as the value of the key field.

    Raises:
        InvalidKey: the key does not fit the field.
    """
    try:
        return fields_of(view)[view.view_key].value_of(key)
    except Refused as refused:
        raise InvalidKey(
            f"cannot use {shown(key)} as the key {view.view_key!r} of {view.__qualname__}: {refused}."
        ) from refused


def row_keys(view: type[View], keys: Iterable[object]) -> dict[object, Any]:
    """Return the values of the key field for the keys of a caller.

    Raises:
        InvalidKey: a key does not fit the field, or cannot be the key of the mapping that is returned.
    """
    found: dict[object, Any] = {}
    for key in keys:
        value = row_key(view, key)
        if not isinstance(key, Hashable):
            raise InvalidKey(f"cannot use {shown(key)} as a key of {view.__qualname__}: it is not hashable.")
        found[key] = value
    return found
