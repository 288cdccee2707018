"""The declared result types of commands and queries."""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
from functools import cache
from typing import Any, Final, get_origin, get_type_hints
from weakref import WeakKeyDictionary

from pydantic import ValidationError

from .._definitions.annotations import closed, plain, substituted
from .._definitions.message import Command, Message, Query
from .misfits import misfits_without_values
from .round_trip import RoundTrip

_STREAMS: Final = (AsyncIterator, AsyncIterable, AsyncGenerator)
_RESULTS: Final = (Command, Query)

_known: WeakKeyDictionary[type[Any], Any] = WeakKeyDictionary()
"""The result types that were resolved, by message class."""


def result_type(message_type: type[Any], names: Mapping[str, Any] | None = None) -> Any:
    """Return the declared result type of a command or query, or Any if none is declared.

    The type is found through generic base classes. A quoted type is resolved where it is written: in the module of that
    class, and in the function around it.

    Args:
        message_type: the class of the message.
        names: further names for quoted types, such as the local names around the handler.

    Raises:
        NameError: a quoted type uses a name that does not exist at run time.
    """
    if message_type not in _known:
        found = _declared(message_type, message_type, names or {}) if issubclass(message_type, _RESULTS) else None
        _known[message_type] = Any if found is None else closed(found[0])
    return _known[message_type]


@cache
def answers_of(message_type: type[Message]) -> RoundTrip[Any]:
    """Return the encoder and decoder of the results of a command or query. pydantic raises an error if there is none."""
    return RoundTrip(result_type(message_type))


def answer_type(message_type: type[Message], names: Mapping[str, Any] | None = None) -> Any:
    """Return the result type of a command or query, or Any if it is not known or cannot be resolved; see `result_type`."""
    try:
        return result_type(message_type, names)
    except Exception:  # noqa: BLE001 -- a quoted type is evaluated, which can raise anything
        return Any


def unresolved(message_type: type[Message]) -> str | None:
    """Return an error text if the result type of a message is in quotes and cannot be resolved."""
    try:
        result_type(message_type)
    except Exception as error:  # noqa: BLE001 -- a quoted type is evaluated, which can raise anything
        missing = repr(error.name) if isinstance(error, NameError) and error.name else "the named types"
        return (
            f"the result type of {message_type.__name__} cannot be resolved: {error}. Import {missing} at run time in the "
            f"module {message_type.__module__}, not under TYPE_CHECKING."
        )
    return None


def misfit(query_type: type[Query[Any]], answer: object) -> str | None:
    """Return the type of an answer if it does not fit the result type of its query, or None if it fits.

    The whole value is checked if its type has no validators of its own. Otherwise only its class is.
    """
    return _misfit_of(query_type)(answer)


@cache
def _misfit_of(query_type: type[Query[Any]]) -> Callable[[object], str | None]:
    declared = answer_type(query_type)
    try:
        answers = answers_of(query_type)
    except Exception:  # noqa: BLE001 -- pydantic does not know the type
        answers = None
    if answers is not None and answers.is_plain:
        validate = answers.adapter.validator.validate_python

        def checked(answer: object) -> str | None:
            try:
                validate(answer, strict=True)
            except ValidationError as error:
                return f"a value of the type {type(answer).__name__} that does not fit: {misfits_without_values(error)}"
            return None

        return checked
    cls = get_origin(plain(declared)) or plain(declared)
    if not inspect.isclass(cls):
        return lambda answer: None
    return lambda answer: None if isinstance(answer, cls) else f"a value of the type {type(answer).__name__}"


def stream_mismatch(query_type: type[Query[Any]], streams: bool) -> str | None:
    """Return an error text if a query and its handler do not agree on whether there is a stream.

    Args:
        query_type: the query.
        streams: whether the handler returns an async iterator.
    """
    declared, name = plain(answer_type(query_type)), query_type.__name__
    if declared is Any or (get_origin(declared) or declared) in _STREAMS:
        if streams or declared is Any:
            return None
        return (
            f"{name} declares a stream, but this handler is not an async generator. Let it `yield` the items one by one, "
            "annotate a function that returns them with AsyncIterator[…], or declare one result with all of them: "
            f"class {name}(Query[list[…]])."
        )
    if not streams:
        return None
    return (
        f"{name} declares one result, but this handler is an async generator or returns an async iterator. Return the "
        f"result, or declare a stream: class {name}(Query[AsyncIterator[…]])."
    )


def _declared(cls: type[Any], scope: type[Any], names: Mapping[str, Any]) -> tuple[Any] | None:
    """Return the result type of a class in a tuple. It may have type parameters of the class. None: there is none.

    Args:
        cls: the class, or a generic class with arguments.
        scope: the class in whose bases it is written.
        names: further names for quoted types.
    """
    generic = cls.__pydantic_generic_metadata__
    if cls in _RESULTS:
        return (generic["parameters"][0],)
    if generic["origin"] is not None:
        found = _declared(generic["origin"], generic["origin"], names)
        arguments = [_evaluated(each, scope, names) for each in generic["args"]]
        parameters = generic["origin"].__pydantic_generic_metadata__["parameters"]
        return found and (substituted(found[0], dict(zip(parameters, arguments, strict=False))),)
    declared = (_declared(base, cls, names) for base in cls.__bases__ if issubclass(base, _RESULTS))
    return next((each for each in declared if each is not None), None)


def _evaluated(annotation: Any, cls: type[Any], names: Mapping[str, Any]) -> Any:
    """Return an annotation in the bases of a class with its quoted types resolved."""
    holder = type("Answer", (), {"__annotations__": {"result": annotation}})
    module = vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else {}
    around = {name: _value(each) for name, each in (getattr(cls, "__pydantic_parent_namespace__", None) or {}).items()}
    own = {each.__name__: each for each in getattr(cls, "__type_params__", ())}
    local = {**around, **own, cls.__name__: cls}
    try:
        return get_type_hints(holder, module, local, include_extras=True)["result"]
    except NameError:
        return get_type_hints(holder, module, {**names, **local}, include_extras=True)["result"]


def _value(kept: Any) -> Any:
    """Return a value that pydantic keeps of the function around a class: by a weak reference, if the value allows one."""
    return kept() if type(kept).__name__ == "_PydanticWeakRef" else kept
