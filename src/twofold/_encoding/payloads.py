"""The payload of a stored event for people: secrets are masked, and a mask that comes back stands for the secret."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from .._definitions.message import Event
from .secrets import secret_fields

MASKED: Final = "**********"
"""The text in place of a secret."""


def shown_payload(event_type: type[Event] | None, data: str) -> Any:
    """Return the fields of an event, with secrets masked.

    Args:
        event_type: the class of the event. Without a class, nothing tells secrets from others, so every value is masked.
        data: the stored fields, as JSON text.
    """
    fields = json.loads(data)
    if event_type is None:
        return dict.fromkeys(fields, MASKED) if isinstance(fields, dict) else MASKED
    return _masked(fields, frozenset(secret_fields(event_type)), "")


def with_secrets(event_type: type[Event], payload: Mapping[str, Any], data: str) -> Any:
    """Return a payload in which masks are replaced by the secrets of the stored fields.

    Args:
        event_type: the class of the event.
        payload: the payload, as `shown_payload` returned it, with changes.
        data: the stored fields, as JSON text.
    """
    return _unmasked(dict(payload), json.loads(data), frozenset(secret_fields(event_type)), "")


def _masked(value: Any, secrets: Collection[str], path: str) -> Any:
    if path in secrets:
        return None if value is None else MASKED
    if isinstance(value, dict):
        return {name: _masked(each, secrets, _inside(path, name)) for name, each in value.items()}
    if isinstance(value, list):
        return [_masked(each, secrets, path) for each in value]
    return value


def _unmasked(value: Any, stored: Any, secrets: Collection[str], path: str) -> Any:
    if path in secrets:
        return stored if value == MASKED else value
    if isinstance(value, dict):
        before = stored if isinstance(stored, dict) else {}
        return {name: _unmasked(each, before.get(name), secrets, _inside(path, name)) for name, each in value.items()}
    if isinstance(value, list):
        same = isinstance(stored, list) and len(stored) == len(value)
        return [_unmasked(each, stored[n] if same else None, secrets, path) for n, each in enumerate(value)]
    return value


def _inside(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
