"""Show the content of a message of another application to people: any bytes, with secrets masked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from .._definitions.message import Event
from .._encoding.payloads import MASKED, shown_payload

_SHOWN: Final = frozenset(
    {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "schemaversion", "correlationid"}
)
"""The attributes of a CloudEvent that contain no data of users."""


def shown_message(body: bytes, class_of: Callable[[str], type[Event] | None]) -> Any:
    """Return the attributes of a CloudEvent as they were sent, with secrets masked.

    The fields of the data are those of the class of the event. Without a class, every field is masked. Attributes that
    Twofold does not know are masked, too.

    Args:
        body: the body of a message, which any client may have sent.
        class_of: returns the class of a wire name, or None.

    Returns:
        A dict; a mask if the body is other JSON; None if the body is not JSON.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return MASKED
    name = found.get("type")
    event_type = class_of(name) if isinstance(name, str) else None
    shown = {field: value if _is_plain(field, value) else MASKED for field, value in found.items() if field != "data"}
    return shown | ({"data": _data(event_type, found["data"])} if "data" in found else {})


def _is_plain(field: str, value: Any) -> bool:
    return field in _SHOWN and isinstance(value, str | int | float | None)


def _data(event_type: type[Event] | None, data: Any) -> Any:
    try:
        return shown_payload(event_type, json.dumps(data)) if isinstance(data, dict) else MASKED
    except RecursionError:
        return MASKED
