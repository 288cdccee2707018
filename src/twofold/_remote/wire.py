"""Requests and replies between processes, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple
from uuid import UUID

from pydantic import ValidationError

from .._background.failures import text_of
from .._background.shown import shown
from .._consistency.token import LONGEST
from .._definitions.envelope import Envelope, Origin
from .._definitions.message import Command, Message, Query, snake_case
from .._encoding.exceptions import fields_of
from .._encoding.lossy import LossyError
from .._encoding.message_json import json_of
from .._encoding.misfits import cause_without_values, misfits_without_values
from .._encoding.result_types import answers_of
from ..errors import ConfigurationError, InvalidRequest, NoHandler, NotStorable, RemoteFailure
from ..ports.publisher import LARGEST_BODY
from .raised import raised_there

_REFUSALS: Mapping[str, type[NoHandler | InvalidRequest]] = {"NoHandler": NoHandler, "InvalidRequest": InvalidRequest}


class DecodedRequest(NamedTuple):
    """A request.

    Attributes:
        kind: the kind of message.
        name: the wire name of the message.
        version: the version of the message.
        data: the fields of the message as JSON text.
        origin: the tenant, trace and headers that the sender added.
        token: the token that the read models must have reached; empty for none.
    """

    kind: Literal["command", "query"]
    name: str
    version: int
    data: str
    origin: Origin
    token: str


def encode_request(
    message: Command[Any] | Query[Any], cause: Envelope[Any] | None, token: str, trace: Mapping[str, str] | None = None
) -> bytes:
    """Return a message as a request.

    Args:
        message: the message.
        cause: the message whose handler sends this message, if any.
        token: the token that the read models must have reached.
        trace: the trace context that the other process continues; by default that of `cause`.

    Raises:
        ConfigurationError: the message has no stable name.
        NotStorable: a field would arrive changed.
    """
    kind = "query" if isinstance(message, Query) else "command"
    if message.message_name is None:
        name = type(message).__name__
        raise ConfigurationError(
            f"cannot send {name} to another process: it has no stable name. Give it one: class {name}(..., "
            f"name='orders.{snake_case(name)}')."
        )
    fields: dict[str, Any] = {"kind": kind, "name": message.message_name, "version": message.message_version}
    if cause is not None:
        origin = {"correlation_id": str(cause.correlation_id), "causation_id": str(cause.id), "tenant": cause.tenant}
        fields["origin"] = {**origin, "trace": dict(trace or cause.trace), "headers": dict(cause.headers)}
    elif trace:
        fields["origin"] = {"trace": dict(trace)}
    if token:
        fields["token"] = token
    head = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return f'{head[:-1]},"data":{json_of(message, "send", NotStorable)}}}'.encode()


def decode_request(body: bytes) -> DecodedRequest:
    """Decode a request.

    Raises:
        ValueError, KeyError, TypeError: the body is not a request.
    """
    if len(body) > LARGEST_BODY:  # any client may send one, and to decode it takes long
        raise ValueError(f"it has {len(body)} bytes, and the limit is {LARGEST_BODY}")
    fields = json.loads(body)
    kind = fields["kind"]
    if kind not in ("command", "query"):
        raise ValueError(f"its kind is {shown(kind)}, and a request is a 'command' or a 'query'")
    origin = fields.get("origin", {})
    correlation, causation = origin.get("correlation_id"), origin.get("causation_id")
    return DecodedRequest(
        kind,
        str(fields["name"]),
        int(fields["version"]),
        json.dumps(fields["data"], ensure_ascii=False),
        Origin(
            tenant=origin.get("tenant"),
            trace=origin.get("trace", {}),
            headers=origin.get("headers", {}),
            correlation_id=UUID(correlation) if correlation else None,
            causation_id=UUID(causation) if causation else None,
        ),
        str(fields.get("token", "")),
    )


def encode_result(message_type: type[Message], result: Any, token: str) -> bytes:
    """Return the reply with a result and the token of the session.

    Raises:
        NotStorable: the result would arrive changed.
    """
    try:
        text = answers_of(message_type).encode(result)
    except LossyError as lossy:
        raise NotStorable(f"cannot send the result of {message_type.__name__}: {lossy}") from lossy
    return f'{{"token":{json.dumps(token)},"result":{text}}}'.encode()


def encode_error(error: Exception) -> bytes:
    """Return the reply with an exception: the name of its class, its text, and its declared attributes that have JSON."""
    return json.dumps({"error": fields_of(error)}, ensure_ascii=False).encode()


def encode_refusal(error: NoHandler | InvalidRequest) -> bytes:
    """Return the reply for a request that is not handled."""
    return json.dumps({"refused": {"name": type(error).__name__, "text": text_of(error)}}, ensure_ascii=False).encode()


def decode_reply(message_type: type[Message], body: bytes, errors: Mapping[str, type[Exception]]) -> tuple[Any, str]:
    """Return the result and the token of a reply, or raise the exception of the remote handler.

    Args:
        message_type: the class of the message.
        body: the reply.
        errors: the exception classes that are raised as themselves, by name.

    Raises:
        NoHandler, InvalidRequest: the other process did not handle the message.
        RemoteFailure: the remote handler raised an exception of another class, or the body is not a reply.
    """
    try:
        failure, result, token = _decoded(message_type, body, errors)
    except Exception as error:  # noqa: BLE001 -- raised as the error of the caller
        name = type(error).__name__
        found = misfits_without_values(error) if isinstance(error, ValidationError) else text_of(error)
        raise RemoteFailure(
            name,
            f"the reply to {message_type.__name__} cannot be decoded ({name}: {found}). Deploy the same release of the "
            "class on both sides.",
        ) from cause_without_values(error)
    if failure is not None:
        raise failure
    return result, token


def _decoded(
    message_type: type[Message], body: bytes, errors: Mapping[str, type[Exception]]
) -> tuple[Exception | None, Any, str]:
    fields = json.loads(body)
    if "refused" in fields:
        refused = fields["refused"]
        return _REFUSALS.get(refused["name"], InvalidRequest)(refused["text"]), None, ""
    if "error" in fields:
        return raised_there(fields["error"], errors), None, ""
    return None, answers_of(message_type).decode(json.dumps(fields["result"])), _token(fields["token"])


def _token(found: Any) -> str:
    """Return the token of a reply. A caller may write it into a header, so it has no line breaks and other controls.

    Whether it is a token is decided by the application that resumes it, perhaps in another release.
    """
    if not (
        isinstance(found, str)
        and len(found) <= LONGEST
        and found.isascii()
        and found.isprintable()
        and " " not in found
    ):
        raise ValueError(f"its token is {shown(found)}")
    return found
