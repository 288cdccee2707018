"""The rules for names: a name that passes is valid on every store and broker."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Final

from .._background.shown import is_like_url

LONGEST_IDENTIFIER: Final = 48
"""The maximum length of a name that becomes a table or a column, in bytes. Names that are derived from it are longer."""

LONGEST_LABEL: Final = 200
"""The maximum length of the name of a message, an application, a router or a subscription, in characters."""

LONGEST_STREAM: Final = 380
"""The maximum length of the name of a stream, in characters: MariaDB and MySQL limit the length of a key."""

_WIRE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*([.\-][A-Za-z0-9_]+)*")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_AT_BROKERS: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_RESERVED_TABLE: Final = re.compile(r"(twofold|sqlite|pg|ix)_.*|.*(__rebuild|_pkey)", re.IGNORECASE)
_SYSTEM_COLUMNS: Final = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})


def wrong_wire_name(name: object) -> str | None:
    """Return why a name is not valid for a message, or None if the name is valid."""
    if isinstance(name, str) and len(name) <= LONGEST_LABEL and _WIRE_NAME.fullmatch(name):
        return None
    return (
        f"Use words of ASCII letters, digits and '_' joined by '.', at most {LONGEST_LABEL} characters, such as "
        "'orders.order_placed'"
    )


def wrong_identifier(name: object) -> str | None:
    """Return why a name is not valid for an aggregate or a view, or None if the name is valid."""
    if isinstance(name, str) and len(name) <= LONGEST_IDENTIFIER and _IDENTIFIER.fullmatch(name):
        return None
    return (
        f"Use ASCII letters, digits and '_', at most {LONGEST_IDENTIFIER} characters, without a digit at the beginning"
    )


def wrong_table(name: object) -> str | None:
    """Return why a name is not valid for a view, or None if the name is valid."""
    if wrong := wrong_identifier(name):
        return wrong
    if isinstance(name, str) and _RESERVED_TABLE.fullmatch(name):
        return (
            "Names that begin with 'twofold_', 'sqlite_', 'pg_' or 'ix_', and names that end in '__rebuild' or '_pkey', are "
            "reserved for tables and indexes of Twofold and of databases. Use another name"
        )
    return None


def wrong_fields(names: Iterable[str]) -> str | None:
    """Return why the names of a view's fields are not valid for columns, or None if all names are valid."""
    known: dict[str, str] = {}
    for name in names:
        if not name.isidentifier() or len(name.encode()) > LONGEST_IDENTIFIER or max(name) > "\uffff":
            return (
                f"the name of the field {name!r} cannot be the name of a column. Use letters, digits and '_', at most "
                f"{LONGEST_IDENTIFIER} bytes in UTF-8"
            )
        if name.lower() in _SYSTEM_COLUMNS:
            return f"every table of PostgreSQL already has a column {name.lower()!r}. Rename the field"
        first = known.setdefault(_folded(name), name)
        if first != name:
            return (
                f"the fields {first!r} and {name!r} differ only in upper and lower case or in accents, which some databases "
                "do not distinguish. Rename one of them"
            )
    return None


def wrong_label(name: object) -> str | None:
    """Return why a name is not valid for a router, an application or a subscription, or None if the name is valid."""
    if isinstance(name, str) and is_like_url(name):
        return "The name looks like a URL, and names are logged. Use another name"
    if isinstance(name, str) and 0 < len(name) <= LONGEST_LABEL and name.isprintable() and name == name.strip():
        return None
    return f"Use 1 to {LONGEST_LABEL} printable characters, without spaces at the beginning or the end"


def wrong_broker_name(name: object) -> str | None:
    """Return why a name is not valid at brokers, for a source or a consumer, or None if the name is valid."""
    if isinstance(name, str) and _AT_BROKERS.fullmatch(name):
        return None
    return "Use 1 to 100 ASCII letters, digits, '_', '-' and '.'"


def wrong_text(text: object, longest: int) -> str | None:
    """Return why a text cannot be part of a key in every store, or None if it can."""
    if not isinstance(text, str):
        return "it is not a str"
    if not 0 < len(text) <= longest:
        return f"it has {len(text)} characters. Use 1 to {longest} characters"
    if not is_text(text):
        return "it contains NUL, or half of a surrogate pair. Remove the character"
    return None


def is_text(value: object) -> bool:
    """Return whether a value is a str that every store can keep: UTF-8 without NUL."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def shadowed(base: type[Any], declared: Iterable[str], fields: Iterable[str] = ()) -> str | None:
    """Return the first declared name that would replace an attribute of a base class, or None.

    Args:
        base: the base class, which is one of Twofold's.
        declared: the names of everything in the body of a class. None of them may be an attribute of the base class itself.
        fields: the names of fields. None of them may be an attribute of the base class, or of a base class of it.
    """
    own = {name for name in vars(base) if not name.startswith("_") and name != "model_config"}
    inherited = {name for name in dir(base) if name.startswith("model_") and name != "model_config"}
    found = [name for name in declared if name in own] + [name for name in fields if name in own | inherited]
    return found[0] if found else None


def annotated(cls: type[Any]) -> Mapping[str, Any]:
    """Return the annotations of a class itself, without those of its base classes."""
    found: Mapping[str, Any] = vars(cls).get("__annotations__", {})
    return found


def _folded(name: str) -> str:
    """Return a name as the databases compare it that ignore case and accents."""
    plain = "".join(each for each in unicodedata.normalize("NFKD", name) if not unicodedata.combining(each))
    return plain.replace("ß", "s").upper().lower()
