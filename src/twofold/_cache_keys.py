"""What cached answers are kept under."""

from __future__ import annotations

from hashlib import sha256
from string import Formatter
from typing import Any
from urllib.parse import quote

from ._idempotency import adapter_of
from ._messages import Message, Query


class KeyFormat:
    """Makes keys of messages: a text in which fields stand in braces.

    What a field brings is percent-encoded, so that it cannot be taken for the text between two fields.
    """

    def __init__(self, text: str) -> None:
        self._parts = [(literal, name or "", spec or "") for literal, name, spec, _ in Formatter().parse(text)]

    def of(self, message: Message) -> str:
        """Return the key of a message."""
        fields = vars(message)
        return "".join(
            literal + (quote(format(fields[name], spec), safe="") if name else "")
            for literal, name, spec in self._parts
        )


def shape_of(query_type: type[Query[Any]]) -> str:
    """Return what is another for another query or another shape of its answers."""
    name = query_type.message_name or f"{query_type.__module__}.{query_type.__qualname__}"
    schema = adapter_of(query_type).json_schema()
    return sha256(f"{name} {schema}".encode()).hexdigest()[:12]


def stored_key(key: str, shape: str, log: str, tenant: str | None) -> str:
    """Return what an answer is kept under: tenants, logs and shapes do not meet."""
    return f"{'' if tenant is None else quote(tenant, safe='')}/{key}@{shape}.{log}"
