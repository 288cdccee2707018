"""Why something failed, in words that any store can keep."""

from __future__ import annotations


def reason_of(error: Exception) -> str:
    """Return the class and the text of an error; half a surrogate pair and NUL, which are no text to a database, escaped."""
    words = f"{type(error).__name__}: {error}"
    return words.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
