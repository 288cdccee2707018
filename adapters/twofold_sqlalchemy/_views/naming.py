"""The names of a view's table, columns and indexes.

`View` has checked the names of views and fields. Every name is quoted, so that no word is reserved.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2s
from typing import Final

from sqlalchemy import quoted_name

from twofold import View

_LONGEST: Final = 60
"""The maximum length of an index name, in bytes. PostgreSQL cuts a longer identifier off after 63 bytes."""


def table_name(view: type[View], *, shadow: bool) -> quoted_name:
    """Return the name of the table of a view's rows, or of its shadow rows. No view is named like the latter."""
    return quoted(f"{view.view_name}__rebuild" if shadow else view.view_name)


def index_name(table: str, fields: Sequence[str]) -> str:
    """Return the name of an index. Two indexes of one database never have the same name.

    The names of the table and of the fields are joined by `__`. A hash is added to a name that could be split in another
    way, that is not ASCII, or that is too long.
    """
    name = "__".join(("ix_" + table, *fields))
    plain = not any("__" in part or part.startswith("_") or part.endswith("_") for part in (table, *fields))
    if plain and name.isascii() and len(name) <= _LONGEST:
        return name
    digest = blake2s("\0".join((table, *fields)).encode(), digest_size=4).hexdigest()
    return f"ix_{table}"[: _LONGEST - len(digest) - 1] + f"_{digest}"


def quoted(name: str) -> quoted_name:
    """Return a name that is quoted in every statement."""
    return quoted_name(name, quote=True)
