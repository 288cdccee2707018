"""The one way from a value to JSON text and back, for everything that is stored or sent."""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

from pydantic import ConfigDict, PydanticUserError, TypeAdapter
from pydantic_core import PydanticSerializationError

T = TypeVar("T")

JSON_FORMAT = ConfigDict(ser_json_inf_nan="strings", ser_json_bytes="base64", val_json_bytes="base64")
"""The JSON of values that JSON itself has no word for."""


class Changed(ValueError):
    """A value would come back from JSON as another value.

    Attributes:
        again: the value that would come back.
    """

    def __init__(self, again: object) -> None:
        super().__init__(f"as JSON it would come back as {again!r:.200}")
        self.again = again


class RoundTrip(Generic[T]):
    """Encode values of one type as JSON text, decode the text, and compare both.

    Fields are written under their own names, whatever aliases they have. pydantic builds the encoder once per instance, so
    an instance is kept as long as its type is in use.

    Args:
        annotation: a class, or any annotation that pydantic supports. pydantic raises an error for other ones.
        exclude_unset: leave out fields that were not set.
        read_aliases: also read fields under their aliases, for text that other applications write.
    """

    __slots__ = ("_by_alias", "_dump", "_exclude_unset", "_load", "adapter")

    def __init__(self, annotation: Any, *, exclude_unset: bool = False, read_aliases: bool = False) -> None:
        self.adapter: TypeAdapter[T] = _adapter(annotation)
        """The adapter of pydantic."""
        self._dump = self.adapter.serializer.to_json
        self._load = self.adapter.validator.validate_json
        self._exclude_unset = exclude_unset
        self._by_alias = read_aliases

    def encode(self, value: T, *, warnings: bool | Literal["none", "warn", "error"] = False) -> str:
        """Return a value as JSON text.

        Args:
            value: the value.
            warnings: what happens if a part of the value is not of the annotated type; see pydantic's `model_dump_json`.

        Raises:
            ValueError: the value has no JSON.
        """
        text = self._dump(value, by_alias=False, exclude_unset=self._exclude_unset, warnings=warnings)
        return text.decode()

    def encode_valid(self, value: T) -> str:
        """Return a value as JSON text that can be decoded.

        A value with a part that is not of the annotated type, such as a part that was created without validation, is
        decoded before its text is trusted.

        Raises:
            ValueError: the value has no such text.
        """
        try:
            return self.encode(value, warnings="error")
        except PydanticSerializationError:
            return self.encode(self.decode(self.encode(value)))

    def encode_equal(self, value: T) -> str:
        """Return a value as JSON text that comes back as an equal value.

        Raises:
            Changed: it comes back as another value.
            ValueError: the value has no JSON, or the text cannot be decoded.
        """
        text = self.encode(value)
        again = self.decode(text)
        if again != value:
            raise Changed(again)
        return text

    def decode(self, text: str | bytes) -> T:
        """Return the value that a JSON text stands for.

        Raises:
            ValidationError: the text does not fit the type.
        """
        value: T = self._load(text, by_alias=self._by_alias, by_name=True)
        return value


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(annotation, config=JSON_FORMAT)
    except PydanticUserError:  # a type with a configuration of its own, such as a model
        return TypeAdapter(annotation)
