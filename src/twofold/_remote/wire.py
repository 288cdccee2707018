"""Commands and queries between processes, and their answers, as JSON."""

from __future__ import annotations

import inspect
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple
from uuid import UUID

from pydantic_core import to_jsonable_python

from .._definitions.envelope import Envelope, Origin
from .._definitions.message import Command, Message, Query, snake_case
from .._encoding.answer_types import answers_of
from .._encoding.message_json import json_of
from ..errors import ConfigurationError, InvalidRequest, NoHandler, RemoteFailure

_REFUSALS: Mapping[str, type[NoHandler | InvalidRequest]] = {"NoHandler": NoHandler, "InvalidRequest": InvalidRequest}


class Asked(NamedTuple):
    """A request, read.

    Attributes:
        kind: what is asked for.
        name: the wire name of the message.
        version: the version of its fields.
        data: its fields as JSON text.
        origin: what its sender says about it.
        token: what a session has to have seen before it is answered; empty for nothing.
    """

    kind: Literal["command", "query"]
    name: str
    version: int
    data: str
    origin: Origin
    token: str


def encode_request(message: Command[Any] | Query[Any], cause: Envelope[Any] | None, token: str) -> bytes:
    """Return a message as a request.

    Args:
        message: the message.
        cause: the message whose handling sends it, if any.
        token: what has to be seen before it is answered.

    Raises:
        ConfigurationError: the message has no stable name, or a field of it has no JSON or is a secret.
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
        fields["origin"] = {**origin, "trace": dict(cause.trace), "headers": dict(cause.headers)}
    if token:
        fields["token"] = token
    head = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return f'{head[:-1]},"data":{json_of(message, "send", ConfigurationError)}}}'.encode()


def decode_request(body: bytes) -> Asked:
    """Read a request.

    Raises:
        ValueError, KeyError, TypeError: it is none.
    """
    fields = json.loads(body)
    origin = fields.get("origin", {})
    correlation, causation = origin.get("correlation_id"), origin.get("causation_id")
    return Asked(
        "query" if fields["kind"] == "query" else "command",
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
    """Return an answer: the result as JSON, and how far its session wrote."""
    text = answers_of(message_type).encode(result)
    return f'{{"token":{json.dumps(token)},"result":{text}}}'.encode()


def encode_error(error: Exception) -> bytes:
    """Return what was raised: the name of its class, its text, and of its attributes what has JSON."""
    fields: dict[str, Any] = {}
    for name, value in vars(error).items():
        if not name.startswith("_"):
            try:
                fields[name] = to_jsonable_python(value)
            except ValueError:
                continue  # it stays behind; the name of the class and the text are what tells
    reply = {"error": {"name": type(error).__name__, "text": str(error), "fields": fields}}
    return json.dumps(reply, ensure_ascii=False).encode()


def encode_refusal(error: NoHandler | InvalidRequest) -> bytes:
    """Return why a request was not begun."""
    return json.dumps({"refused": {"name": type(error).__name__, "text": str(error)}}, ensure_ascii=False).encode()


def decode_reply(message_type: type[Message], body: bytes, errors: Mapping[str, type[Exception]]) -> tuple[Any, str]:
    """Return the result and the token of a reply, or raise what was raised there.

    Args:
        message_type: what was asked.
        body: the reply.
        errors: the classes of errors that are raised as themselves, by name.

    Raises:
        NoHandler, InvalidRequest: the other process did not begin with it.
        RemoteFailure: the other process raised an error of another class, or its reply is none.
    """
    try:
        failure, result, token = _read(message_type, body, errors)
    except Exception as error:
        name = type(error).__name__
        raise RemoteFailure(
            name,
            f"the other process has answered {message_type.__name__}, and its reply cannot be read ({name}: {error}). "
            "Deploy the same release of the class on both sides.",
        ) from error
    if failure is not None:
        raise failure
    return result, token


def _read(
    message_type: type[Message], body: bytes, errors: Mapping[str, type[Exception]]
) -> tuple[Exception | None, Any, str]:
    fields = json.loads(body)
    if "refused" in fields:
        refused = fields["refused"]
        return _REFUSALS.get(refused["name"], InvalidRequest)(refused["text"]), None, ""
    if "error" in fields:
        return _error(fields["error"], errors), None, ""
    return None, answers_of(message_type).decode(json.dumps(fields["result"])), str(fields["token"])


def by_name(errors: Sequence[type[Exception]]) -> Mapping[str, type[Exception]]:
    """Return classes of errors by the names that they have between processes.

    Raises:
        ConfigurationError: something is no class of errors, two have one name, or one cannot be made from its text and
            attributes.
    """
    given: Any = errors
    if not isinstance(given, Collection) or not all(
        inspect.isclass(each) and issubclass(each, Exception) for each in given
    ):
        raise ConfigurationError(
            f"cannot raise errors={errors!r:.200} of another process: give a list of classes, such as [InvalidTransition]."
        )
    found: dict[str, type[Exception]] = {}
    for each in errors:
        if issubclass(each, BaseExceptionGroup):
            raise ConfigurationError(
                f"cannot raise {each.__name__} as itself: the errors in the group stay in the other process. Leave it out, "
                "and catch RemoteFailure; its name says which it was."
            )
        if found.setdefault(each.__name__, each) is not each:
            raise ConfigurationError(f"two classes of errors are named {each.__name__!r}. Rename one, or leave it out.")
    return found


def _declared(error: type[Exception]) -> frozenset[str]:
    """Return the attributes that a class of errors says that it has: parameters of its constructor, and annotations."""
    names: set[str] = set()
    for each in error.__mro__[: error.__mro__.index(Exception)]:
        names.update(inspect.get_annotations(each))
        if "__init__" in vars(each):
            names.update(inspect.signature(vars(each)["__init__"]).parameters)
    return frozenset(name for name in names if not name.startswith("_") and not hasattr(Exception, name))


def _error(fields: Mapping[str, Any], errors: Mapping[str, type[Exception]]) -> Exception:
    name, text = str(fields["name"]), str(fields["text"])
    known = errors.get(name)
    if known is None:
        return RemoteFailure(name, f"{name} in the other process: {text}")
    error = known.__new__(known)
    error.args = (text,)
    given, declared = fields.get("fields", {}), _declared(known)
    vars(error).update({name: value for name, value in given.items() if name in declared})
    return error
