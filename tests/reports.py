"""Reports of tests that one process sends to another."""

from __future__ import annotations

from typing import Any


def encodable(value: Any) -> Any:
    """Replace characters that UTF-8 cannot encode, at any depth. pytest-xdist ends the whole run at such a character.

    A report contains the log lines of a test, and tests raise errors whose texts contain half of a surrogate pair.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {encodable(key): encodable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(encodable, value))
    return value
