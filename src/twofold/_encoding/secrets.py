"""Find the fields that JSON masks. A secret that is stored comes back as a row of asterisks."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

from pydantic import BaseModel, PlainSerializer, Secret, SecretBytes, SecretStr, WrapSerializer
from typing_extensions import is_typeddict

_SECRETS: Final = (Secret, SecretBytes, SecretStr)

MASK: Final = '"**********"'
"""The text that pydantic writes for a secret, as JSON."""

ADVICE: Final = (
    "Store a reference to the secret instead, or add a serializer (pydantic's field_serializer) that returns the form that "
    "may be stored."
)
"""The advice for a field that would come back masked."""


def masked(holder: type[Any]) -> list[str]:
    """Return the fields of a model that would come back from JSON as masks. A nested field is written as `card.number`.

    Fields with a serializer of their own, and values behind `Any`, are not examined.
    """
    return list(_of_model(holder, ()))


def secret_fields(holder: type[Any]) -> list[str]:
    """Return all fields of a model that hold secrets, also those that a serializer of their own stores in the clear."""
    return list(_of_model(holder, (), every=True))


def masks(annotation: Any) -> bool:
    """Return whether values of a type, or parts of them, would come back from JSON as masks."""
    return any(True for _ in _of_type(annotation, "", ()))


def is_secret(value: object) -> bool:
    """Return whether a value is a secret of pydantic."""
    return isinstance(value, _SECRETS)


def _of_model(holder: type[Any], above: tuple[type[Any], ...], *, every: bool = False) -> Iterator[str]:
    """Yield the fields; `every` includes those that have a serializer of their own."""
    if issubclass(holder, BaseModel):
        decorators = holder.__pydantic_decorators__
        if decorators.model_serializers and not every:
            return
        own = {name for each in decorators.field_serializers.values() for name in each.info.fields}
        for name, field in holder.model_fields.items():
            if every or not (field.exclude or {name, "*"} & own or _has_serializer(field.metadata)):
                yield from _of_type(field.annotation, name, above, every=every)
        return
    for name, hint in _hints(holder).items():
        yield from _of_type(hint, name, above, every=every)


def _of_type(annotation: Any, path: str, above: tuple[type[Any], ...], *, every: bool = False) -> Iterator[str]:
    annotation = getattr(annotation, "__value__", annotation)  # of a `type X = ...`
    origin = get_origin(annotation)
    if origin is Annotated and not every and _has_serializer(annotation.__metadata__):
        return
    for argument in get_args(annotation):
        yield from _of_type(argument, path, above, every=every)
    plain = origin if inspect.isclass(origin) else annotation
    if not inspect.isclass(plain) or plain in above:
        return
    if issubclass(plain, _SECRETS):
        yield path
    elif issubclass(plain, BaseModel) or dataclasses.is_dataclass(plain) or is_typeddict(plain) or _is_named(plain):
        for inner in _of_model(plain, (*above, plain), every=every):
            yield f"{path}.{inner}" if path else inner


def _is_named(plain: type[Any]) -> bool:
    return issubclass(plain, tuple) and hasattr(plain, "_fields")


def _hints(holder: type[Any]) -> Mapping[str, Any]:
    try:
        return get_type_hints(holder, include_extras=True)
    except (NameError, TypeError):  # building the encoder reports the fault
        return {}


def _has_serializer(metadata: Any) -> bool:
    return any(isinstance(each, PlainSerializer | WrapSerializer) for each in metadata)
