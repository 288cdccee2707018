"""Hashes of commands, to recognise an idempotency key that is used with another payload."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from pydantic_core import to_json

from .._definitions.message import Command
from ..errors import ResultNotRecordable
from .message_json import without_json


def fingerprint(command: Command[Any]) -> str:
    """Return a hash of a command's fields that is the same in every process. The mask of a secret is hashed in its place.

    Raises:
        ResultNotRecordable: a field has no JSON.
    """
    try:
        text = _canonical(command.model_dump(serialize_as_any=True))
    except Exception as error:
        raise ResultNotRecordable(
            f"cannot dispatch {type(command).__name__} with an idempotency key: {without_json(command)} no JSON "
            f"({error}), and so a duplicate could not be compared with it. Use types that pydantic supports."
        ) from error
    return sha256(text.encode()).hexdigest()


def _canonical(value: Any) -> str:
    """Return a text that is equal for equal values: sets and mappings are sorted."""
    match value:
        case Mapping():
            pairs = sorted(f"{_canonical(key)}:{_canonical(item)}" for key, item in value.items())
            return "{" + ",".join(pairs) + "}"
        case set() | frozenset():
            return "<" + ",".join(sorted(map(_canonical, value))) + ">"
        case list() | tuple():
            return "[" + ",".join(map(_canonical, value)) + "]"
    return to_json(value, inf_nan_mode="strings", bytes_mode="base64").decode()
