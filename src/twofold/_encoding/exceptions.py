"""Exceptions that are sent or stored: which classes are raised as themselves, and how they are created again."""

from __future__ import annotations

import inspect
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic_core import to_jsonable_python

from .._background.failures import text_of
from .._background.shown import shown_option
from ..errors import ConfigurationError


def by_name(errors: Sequence[type[Exception]]) -> Mapping[str, type[Exception]]:
    """Return exception classes by the names that are sent or stored.

    Raises:
        ConfigurationError: a value is not an exception class, two classes have one name, or a class is a group.
    """
    given: Any = errors
    if not isinstance(given, Collection) or not all(
        inspect.isclass(each) and issubclass(each, Exception) for each in given
    ):
        raise ConfigurationError(
            f"cannot use errors={shown_option(errors)}: it must be a list of exception classes, such as [InvalidTransition]."
        )
    found: dict[str, type[Exception]] = {}
    for each in errors:
        if issubclass(each, BaseExceptionGroup):
            raise ConfigurationError(
                f"cannot use {each.__name__} in errors=: the exceptions in the group would be lost. Remove it, and list the "
                "classes of the exceptions that you expect."
            )
        if found.setdefault(each.__name__, each) is not each:
            raise ConfigurationError(
                f"two exception classes in errors= are named {each.__name__!r}. Rename or remove one."
            )
    return found


def declared(error: type[Exception]) -> frozenset[str]:
    """Return the attributes that an exception class declares: parameters of its constructor, and annotations."""
    names: set[str] = set()
    for each in error.__mro__[: error.__mro__.index(Exception)]:
        names.update(inspect.get_annotations(each))
        if "__init__" in vars(each):
            names.update(inspect.signature(vars(each)["__init__"]).parameters)
    return frozenset(name for name in names if not name.startswith("_") and not hasattr(Exception, name))


def fields_of(error: Exception) -> dict[str, Any]:
    """Return an exception for JSON: the name of its class, its text, and its declared attributes that have JSON."""
    fields: dict[str, Any] = {}
    for name in declared(type(error)) & vars(error).keys():
        try:
            found = to_jsonable_python(vars(error)[name])
            json.dumps([name, found], ensure_ascii=False).encode()
        except Exception:  # noqa: BLE001, S112 -- an attribute without JSON is left out
            continue
        fields[name] = found
    return {"name": type(error).__name__, "text": text_of(error), "fields": fields}


def exception_of(known: type[Exception], fields: Mapping[str, Any]) -> Exception:
    """Return the exception of a class that `fields_of` describes. Its constructor is not called."""
    error = known.__new__(known)
    error.args = (str(fields["text"]),)
    names = declared(known)
    vars(error).update({name: value for name, value in fields.get("fields", {}).items() if name in names})
    return error
