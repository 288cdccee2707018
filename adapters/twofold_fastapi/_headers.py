"""The headers of a request: consistency token, idempotency key and trace context."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers

from twofold.errors import InvalidKey, InvalidToken
from twofold.ports import LONGEST_KEY, shown

CONSISTENCY_TOKEN: Final = "Consistency-Token"  # noqa: S105 -- the name of a header
"""The header that carries `Session.token` in and out."""

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
"""The header that carries the idempotency key of a command."""

_LONGEST_STATE = 512
"""The number of characters of `tracestate` that a service has to pass on (W3C Trace Context, 3.3.1.5)."""

_KEY = re.compile(rf"[\x20-\x7e]{{1,{LONGEST_KEY}}}")
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_STATE = re.compile(r"[\x20-\x7e]+")


def token_of(headers: Headers) -> str | None:
    """Return the consistency token of a request, or None if it has none. The session validates the token.

    Raises:
        InvalidToken: the request has several tokens.
    """
    found = headers.getlist(CONSISTENCY_TOKEN)
    if len(found) > 1:
        raise InvalidToken(f"the request has {len(found)} headers {CONSISTENCY_TOKEN}. Send one.")
    return found[0] if found and found[0] else None


def key_of(headers: Headers) -> str | None:
    """Return the idempotency key of a request, or None if it has none.

    Raises:
        InvalidKey: the request has several keys, or its key is empty, too long, or not printable ASCII.
    """
    found = headers.getlist(IDEMPOTENCY_KEY)
    if not found:
        return None
    if len(found) > 1:
        raise InvalidKey(f"the request has {len(found)} headers {IDEMPOTENCY_KEY}. Send one.")
    if not _KEY.fullmatch(found[0]):
        raise InvalidKey(
            f"cannot use {shown(found[0])} as {IDEMPOTENCY_KEY} ({len(found[0])} characters). "
            f"Use 1 to {LONGEST_KEY} printable ASCII characters, such as a UUID."
        )
    return found[0]


def trace_of(headers: Headers) -> Mapping[str, str]:
    """Return the W3C trace context of a request. An invalid one is ignored, as the specification requires."""
    parents = headers.getlist("traceparent")
    if len(parents) != 1 or not _is_parent(parents[0]):
        return {}
    state = ",".join(headers.getlist("tracestate"))
    if len(state) > _LONGEST_STATE or not _STATE.fullmatch(state):
        return {"traceparent": parents[0]}
    return {"traceparent": parents[0], "tracestate": state}


def _is_parent(text: str) -> bool:
    match = _PARENT.fullmatch(text)
    if match is None or len(text) > _LONGEST_STATE or not text.isascii():
        return False
    version, trace, span, more = match.groups()
    return version != "ff" and bool(trace.strip("0")) and bool(span.strip("0")) and (version != "00" or more is None)
