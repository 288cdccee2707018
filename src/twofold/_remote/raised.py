"""Exceptions of another process: which classes are raised as themselves, and how they are created."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .._background.shown import shown_option
from ..errors import ConfigurationError, RemoteFailure


def by_name(errors: Sequence[type[Exception]]) -> Mapping[str, type[Exception]]:
    """Return exception classes by their names on the wire.

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
                f"cannot use {each.__name__} in errors=: the exceptions in the group stay in the other process. Remove it, "
                "and catch RemoteFailure, whose name is the name of the class."
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


def exception_of(fields: Mapping[str, Any], errors: Mapping[str, type[Exception]]) -> Exception:
    """Return the exception that a reply describes: of its own class if the class is known, else a `RemoteFailure`."""
    name, text = str(fields["name"]), str(fields["text"])
    known = errors.get(name)
    if known is None:
        return RemoteFailure(name, f"The remote handler raised {name}, which is not listed in errors=: {text}")
    error = known.__new__(known)
    error.args = (text,)
    given, names = fields.get("fields", {}), declared(known)
    vars(error).update({name: value for name, value in given.items() if name in names})
    return error
