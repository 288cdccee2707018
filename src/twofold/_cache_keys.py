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
        """Return the key of a message. A value that its format does not fit raises what its type raises."""
        fields = vars(message)
        return "".join(
            literal + (quote(format(fields[name], spec), safe="", errors="surrogatepass") if name else "")
            for literal, name, spec in self._parts
        )


def cacheable(query_type: type[Query[Any]]) -> bool:
    """Return whether the answers of a query have JSON."""
    try:
        adapter_of(query_type).json_schema()
    except Exception:  # noqa: BLE001 -- pydantic raises what it likes for a type that it does not know
        return False
    return True


def shape_of(query_type: type[Query[Any]]) -> str:
    """Return what is another for another query or another shape of its answers."""
    name = query_type.message_name or f"{query_type.__module__}.{query_type.__qualname__}"
    schema = adapter_of(query_type).json_schema()
    return sha256(f"{name} {schema}".encode()).hexdigest()[:12]
