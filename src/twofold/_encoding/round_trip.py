"""The one way from a value to JSON text and back, for everything that is stored or sent."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from operator import contains
from typing import Any, Final, Generic, Protocol, TypeVar, cast

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from .._definitions.message import Message
from .difference import difference
from .lossy import LossyError, cannot_be_read, comes_back_changed, has_no_json, is_too_large
from .misfits import names_in, without_keys
from .plain import SHORT, Flat, flat, plain_check

T = TypeVar("T")
M = TypeVar("M", bound=Message)

_COMBINATIONS: Final = 64
"""The number of combinations of types that are remembered for a model. A model with many optional fields has more."""

JSON_FORMAT: Final = ConfigDict(ser_json_inf_nan="strings", ser_json_bytes="base64", val_json_bytes="base64")
"""The JSON of values that JSON itself has no word for."""

LARGEST: Final = 8_000_000
"""The maximal size of a value as JSON, in bytes. Every store and its driver accept it with their default settings."""


class RoundTrip(Generic[T]):
    """Encode values of one type as JSON text that comes back as the same value, and decode the text.

    A value that would come back changed is refused. Values that are known to come back, by a check that is derived from
    the type once, are not decoded; see `plain`. All others are decoded and compared; see `difference`.

    Fields are written under their own names, whatever aliases they have. Computed fields are left out. pydantic builds
    the encoder once per instance, so an instance lives as long as its type is in use.

    Args:
        annotation: a class, or any annotation that pydantic supports. pydantic raises an error for other ones.
        read_aliases: also read fields under their aliases, for text that other applications write.
    """

    __slots__ = ("_by_alias", "_dump", "_flat", "_is_plain", "_known", "_load", "adapter")

    def __init__(self, annotation: Any, *, read_aliases: bool = False) -> None:
        self.adapter: TypeAdapter[T] = _adapter(annotation)
        """The adapter of pydantic."""
        self._dump = self.adapter.serializer.to_json
        self._load = self.adapter.validator.validate_json
        self._is_plain = plain_check(self.adapter.core_schema)
        self._flat = None if self._is_plain is None else flat(self.adapter.core_schema)
        self._known: set[tuple[type[Any], ...]] = set()
        self._by_alias = read_aliases

    @property
    def is_plain(self) -> bool:
        """Whether the type has no serializers or validators of its own: pydantic's JSON of a value comes back."""
        return self._is_plain is not None

    def encode(self, value: T, *, without: Collection[str] = ()) -> str:
        """Return a value as JSON text that comes back as the same value.

        Args:
            value: the value.
            without: fields to leave out; their values are their defaults.

        Raises:
            LossyError: the value has no JSON, is too large, or would come back changed. The text names the part.
        """
        try:
            exclude = set(without) if without else None
            text = self._dump(value, by_alias=False, round_trip=True, exclude=exclude, warnings=False)
        except Exception as error:
            raise has_no_json(self._dump, value, error) from error
        if len(text) > LARGEST:
            raise is_too_large(self._dump, value, len(text), LARGEST)
        if not self.comes_back(value, text):
            self._compare(value, text)
        return text.decode()

    def decode(self, text: str | bytes) -> T:
        """Return the value that a JSON text stands for.

        Raises:
            ValidationError: the text does not fit the type. Its paths do not contain keys of mappings.
        """
        try:
            value: T = self._load(text, by_alias=self._by_alias, by_name=True)
        except ValidationError as error:
            names = names_in(self.adapter.core_schema)
            if names is None:
                raise
            raise without_keys(error, names) from None
        except Exception as error:  # a validator of the user
            raise _unreadable(error) from error
        return value

    def comes_back(self, value: T, text: bytes) -> bool:
        """Return whether a value is known to come back from a text, without decoding. False means that it is not known."""
        flat = self._flat
        if flat is not None and type(value) is flat.cls and len(text) < SHORT:
            types = tuple(map(type, vars(value).values()))
            if (types in self._known or self._fit(flat, types)) and (
                flat.is_finite or (b"NaN" not in text and b"Inf" not in text)
            ):
                return True
        try:
            return self._is_plain is not None and self._is_plain(value)
        except (AttributeError, KeyError, TypeError):  # a model that was created without validation lacks a field
            return False

    def _fit(self, flat: Flat, types: tuple[type[Any], ...]) -> bool:
        """Return whether the types of the values of a model are those that come back, and remember them if they are."""
        if len(types) != len(flat.types) or not all(map(contains, flat.types, types)):
            return False
        if len(self._known) < _COMBINATIONS:
            self._known.add(types)
        return True

    def _compare(self, value: T, text: bytes) -> None:
        try:
            found = difference(value, self.decode(text))
        except ValidationError as error:
            raise cannot_be_read(value, error) from error
        except Exception as error:  # a value that cannot be compared
            raise LossyError(
                f"it cannot be compared with the value that comes back ({type(error).__name__})"
            ) from error
        if found is not None:
            raise comes_back_changed(found)


class _RoundTripOf(Protocol):
    def __call__(self, message_type: type[M], /) -> RoundTrip[M]: ...


@cache
def _round_trip_of(message_type: type[Message]) -> RoundTrip[Any]:
    return RoundTrip(message_type, read_aliases=True)


round_trip_of: Final = cast(_RoundTripOf, _round_trip_of)
"""Returns the encoder and decoder of a type of message. They are created once."""


def _unreadable(error: Exception) -> ValidationError:
    """Return the error for text whose validator failed in its own way."""
    context = {"name": type(error).__name__, "text": str(error), "error": error}
    found = PydanticCustomError("unreadable", "{name}: {text}", context)
    return ValidationError.from_exception_data("stored text", [{"type": found, "loc": (), "input": None}])


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(annotation, config=JSON_FORMAT)
    except PydanticUserError:  # a type with a configuration of its own, such as a model
        return TypeAdapter(annotation)
