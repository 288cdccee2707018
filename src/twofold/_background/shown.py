"""Show a value in an error message."""

from __future__ import annotations

import re

_LONGEST = 100
"""The maximal number of characters of a value in a message."""

_LIKE_URL = re.compile(r"://|:\S*@|password=", re.IGNORECASE)


def shown(value: object) -> str:
    """Return the `repr` of a value, cut, with its class. A value whose `repr` fails is described by its class."""
    kind = type(value).__name__
    try:
        text = repr(value[:_LONGEST] if isinstance(value, str | bytes) else value)
    except Exception:  # noqa: BLE001 -- any class may fail; a long int does, too
        return f"a value without a repr ({kind})"
    return f"{text if len(text) <= _LONGEST else text[:_LONGEST] + '…'} ({kind})"


def without_content(value: object) -> str:
    """Return a description of a configuration value without its content, which may be a URL with a password."""
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    return value.__qualname__ if isinstance(value, type) else f"<{type(value).__qualname__}>"


def shown_option(value: object) -> str:
    """Return the `repr` of a wrong configuration value, cut. One that looks like a URL is hidden: it may have a password."""
    text = repr(value)
    return "<a URL>" if _LIKE_URL.search(text) else text[:_LONGEST]


def is_like_url(text: str) -> bool:
    """Return whether a text looks like a URL, or another text with a password."""
    return _LIKE_URL.search(text) is not None
