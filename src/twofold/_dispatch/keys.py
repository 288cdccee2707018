"""Keys that callers choose: of idempotent commands, received messages and scheduled commands."""

from __future__ import annotations

from ..errors import InvalidKey
from ..ports.idempotency_keys import LONGEST_KEY


def check_key(what: str, key: str) -> str:
    """Return a key that every store can keep.

    Args:
        what: the meaning of the key, with its article, for the error.
        key: the key.

    Raises:
        InvalidKey: the key is not a str, is empty, or is too long.
    """
    if not isinstance(key, str):
        raise InvalidKey(f"cannot use {key!r:.100} as {what}: it is not a str. Use a str, such as {str(key)[:40]!r}.")
    if 0 < len(key) <= LONGEST_KEY:
        return key
    raise InvalidKey(
        f"cannot use {key[:40]!r} as {what}: it has {len(key)} characters. Use 1 to {LONGEST_KEY} characters, or the "
        "hash of a longer text."
    )


def check_tenant(tenant: str | None) -> str:
    """Return a tenant as a part of keys, "" for none.

    Raises:
        InvalidKey: the tenant is too long.
    """
    return check_key("a tenant", tenant) if tenant else ""
