"""UUIDs from the forms of drivers. Each event has one, and the constructor of `UUID` takes more than twice as long."""

from __future__ import annotations

from typing import Final
from uuid import UUID, SafeUUID

_UNKNOWN: Final = SafeUUID.unknown


def uuid_of(number: int) -> UUID:
    """Return the UUID with this number, which has at most 128 bits, as `UUID(int=number)` does."""
    made = object.__new__(UUID)
    object.__setattr__(made, "int", number)
    object.__setattr__(made, "is_safe", _UNKNOWN)
    return made


def uuid_of_text(text: str) -> UUID:
    """Return the UUID of a text, as `UUID(text)` does.

    Raises:
        ValueError: the text is not a UUID.
    """
    digits = text.replace("-", "")
    return uuid_of(int(digits, 16)) if len(digits) == 32 else UUID(text)
