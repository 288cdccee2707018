"""Keys that callers choose: of idempotent commands, received messages and scheduled commands."""

from __future__ import annotations

from .._background.shown import shown
from .._definitions.names import wrong_text
from ..errors import InvalidKey
from ..ports.idempotency_keys import LONGEST_KEY


def check_key(what: str, key: str) -> str:
    """Return a key that every store can keep.

    Args:
        what: the meaning of the key, with its article, for the error.
        key: the key.

    Raises:
        InvalidKey: the key is not a str, is empty or too long, or contains characters that some stores cannot store.
    """
    if not isinstance(key, str):
        raise InvalidKey(f"cannot use {shown(key)} as {what}: it is not a str. Use a str.")
    if wrong := wrong_text(key, LONGEST_KEY):
        raise InvalidKey(f"cannot use {shown(key)} as {what}: {wrong}. A hash of the text always fits.")
    return str.__str__(key)  # the value of a member of an enum of texts


def tenant_key(tenant: str | None) -> str:
    """Return a tenant as a part of keys, "" for none. `Origin` has checked the tenant."""
    return tenant or ""
