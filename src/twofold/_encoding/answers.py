"""Which queries are answered with a stream."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from functools import cache
from hashlib import sha256
from inspect import Parameter
from typing import Any, get_origin, get_type_hints

from pydantic import ConfigDict, PydanticUserError, TypeAdapter
from pydantic_core import to_json

from .._definitions.message import Command, Message, Query, result_type
from ..errors import ResultNotRecordable
from .message_json import without_json

_STREAMS = (AsyncIterator, AsyncIterable, AsyncGenerator)


def stream_mismatch(query_type: type[Query[Any]], streams: bool) -> str | None:
    """Return what is wrong when a query and its handler do not agree on whether there is a stream.

    Args:
        query_type: the query.
        streams: whether the handler is an async generator.
    """
    declared, name = answer_type(query_type), query_type.__name__
    if declared is Any or (get_origin(declared) or declared) in _STREAMS:
        if streams or declared is Any:
            return None
        return (
            f"{name} is answered with a stream, and this handler is no async generator. Let it `yield` the items one by "
            f"one, or let the query have all of them: class {name}(Query[list[…]])."
        )
    if not streams:
        return None
    return (
        f"{name} is answered at once, and this handler is an async generator. Return what the query says, or let it be "
        f"answered with a stream: class {name}(Query[AsyncIterator[…]])."
    )


class Results:
    """The results of one type of command as JSON, and back.

    Raises:
        ResultNotRecordable: there is no JSON for them.
    """

    def __init__(self, command_type: type[Command[Any]]) -> None:
        self._name = command_type.__name__
        try:
            self._adapter = adapter_of(command_type)
        except Exception as error:
            raise ResultNotRecordable(
                f"cannot dispatch {self._name} with an idempotency key: its result type has no JSON ({error}). "
                f"Let it answer with a type that pydantic knows, class {self._name}(Command[str])."
            ) from error

    @staticmethod
    @cache
    def of(command_type: type[Command[Any]]) -> Results:
        """Return those of a type of command, made once."""
        return Results(command_type)

    def encode(self, result: Any) -> str:
        """Return a result as JSON, from which the same result can be made.

        Raises:
            ResultNotRecordable: it cannot.
        """
        try:
            text = self._adapter.dump_json(result, warnings=False).decode()
            again = self._adapter.validate_json(text)
        except Exception as error:
            raise self._lossy(f"it has no JSON that can be read back ({error})") from error
        if again != result and result == result:
            raise self._lossy(f"as JSON it would come back as {again!r:.200}")
        return text

    def decode(self, text: str) -> Any:
        """Return a kept result.

        Raises:
            ResultNotRecordable: the result type has changed since.
        """
        try:
            return self._adapter.validate_json(text)
        except Exception as error:
            raise ResultNotRecordable(
                f"cannot answer {self._name} again: it has taken effect, and its recorded result does not fit its result "
                f"type any more ({error}). Read what it changed; keep result types compatible for as long as keys are kept."
            ) from error

    def _lossy(self, found: str) -> ResultNotRecordable:
        return ResultNotRecordable(
            f"cannot record what {self._name} was answered with: {found}. Nothing was committed. Return exactly what its "
            "result type says, and let that be plain data: no secrets, no fields that JSON leaves out."
        )


def adapter_of(message_type: type[Message]) -> TypeAdapter[Any]:
    """Return what turns the results of a command or query into JSON and back; pydantic raises when there is no JSON."""
    return _adapter(_annotation(message_type))


def answer_type(message_type: type[Message]) -> Any:
    """Return what a command or query is answered with, its names resolved; Any when that cannot be told."""
    try:
        return _annotation(message_type)
    except (NameError, TypeError, SyntaxError):
        return Any


def _annotation(command_type: type[Message]) -> Any:
    declared = result_type(command_type)
    if declared is Parameter.empty:
        return Any
    holder = type("Answer", (), {"__annotations__": {"result": declared}})
    module = vars(sys.modules[command_type.__module__])
    return get_type_hints(holder, module, {command_type.__name__: command_type}, include_extras=True)["result"]


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    plain = ConfigDict(ser_json_inf_nan="strings", ser_json_bytes="base64", val_json_bytes="base64")
    try:
        return TypeAdapter(annotation, config=plain)
    except PydanticUserError:  # a type with a configuration of its own, such as a model
        return TypeAdapter(annotation)


def fingerprint(command: Command[Any]) -> str:
    """Return a hash of a command's fields that is the same in every process. Secrets count by their masks.

    Raises:
        ResultNotRecordable: a field has no JSON.
    """
    try:
        text = _canonical(command.model_dump(serialize_as_any=True))
    except Exception as error:
        raise ResultNotRecordable(
            f"cannot dispatch {type(command).__name__} with an idempotency key: {without_json(command)} no JSON "
            f"({error}), and so a repeat could not be compared with it. Use types that pydantic knows."
        ) from error
    return sha256(text.encode()).hexdigest()


def _canonical(value: Any) -> str:
    """Write a value so that equal ones are written alike: sets and mappings have an order."""
    match value:
        case Mapping():
            pairs = sorted(f"{_canonical(key)}:{_canonical(item)}" for key, item in value.items())
            return "{" + ",".join(pairs) + "}"
        case set() | frozenset():
            return "<" + ",".join(sorted(map(_canonical, value))) + ">"
        case list() | tuple():
            return "[" + ",".join(map(_canonical, value)) + "]"
    return to_json(value, inf_nan_mode="strings", bytes_mode="base64").decode()
