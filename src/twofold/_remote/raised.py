"""Exceptions of another process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._encoding.exceptions import exception_of
from ..errors import RemoteFailure


def raised_there(fields: Mapping[str, Any], errors: Mapping[str, type[Exception]]) -> Exception:
    """Return the exception that a reply describes: of its own class if the class is known, else a `RemoteFailure`."""
    name, text = str(fields["name"]), str(fields["text"])
    known = errors.get(name)
    if known is None:
        return RemoteFailure(name, f"The remote handler raised {name}, which is not listed in errors=: {text}")
    return exception_of(known, fields)
