"""Messages as JSON that gives them again, or a word about why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticSerializationError

from .._definitions.message import Message
from ..errors import TwofoldError
from .secrets import ADVICE, MASK, is_secret


def json_of(message: Message, attempt: str, refused: type[TwofoldError]) -> str:
    """Return the fields of a message as JSON text that is not masked.

    Args:
        message: the message.
        attempt: what it is for, as in "cannot record": "record".
        refused: what is raised otherwise.

    Raises:
        TwofoldError: a field has no JSON, or holds a secret; it is a `refused`.
    """
    try:
        text = message.model_dump_json()
    except PydanticSerializationError as error:
        raise refused(
            f"cannot {attempt} {type(message).__name__}: {without_json(message)} no JSON ({error}). "
            "Use types that pydantic knows, and declare them."
        ) from error
    if MASK in text and (names := [name for name in type(message).model_fields if _is_masked(message, name)]):
        raise refused(
            f"cannot {attempt} {type(message).__name__}: its field(s) {', '.join(names)} would come back masked, as {MASK}. "
            f"{ADVICE}"
        )
    return text


def without_json(message: Message) -> str:
    """Return which fields have no JSON, with a verb: "its field 'socket' has"."""
    names = [repr(name) for name in type(message).model_fields if not _has_json(message, name)]
    if len(names) == 1:
        return f"its field {names[0]} has"
    return f"its fields {' and '.join(names)} have" if names else "its fields have"


def _has_json(message: Message, name: str) -> bool:
    try:
        message.model_dump_json(include={name}, warnings=False)
    except PydanticSerializationError:
        return False
    return True


def _is_masked(message: Message, name: str) -> bool:
    return MASK in message.model_dump_json(include={name}) and _holds_secret(message.model_dump(include={name}))


def _holds_secret(value: Any) -> bool:
    match value:
        case Mapping():
            return any(map(_holds_secret, value.values()))
        case list() | tuple() | set() | frozenset():
            return any(map(_holds_secret, value))
    return is_secret(value)
