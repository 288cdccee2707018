"""The state of an aggregate as JSON, for stores that keep a state in one value."""

from __future__ import annotations

from functools import lru_cache
from inspect import get_annotations
from typing import Any, ClassVar, Final, Generic, TypeVar, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError, create_model

from .._definitions.aggregate import Aggregate
from ..errors import InvalidDefinition, NotStorable, StorageError
from .lossy import LossyError
from .misfits import misfits_without_values
from .round_trip import JSON_FORMAT, RoundTrip
from .secrets import ADVICE, MASK, masked

A = TypeVar("A", bound=Aggregate)

_KEPT: Final = 512
"""The number of codecs that a process keeps."""


class StateCodec(Generic[A]):
    """Encode the annotated attributes of an aggregate as JSON, and decode them into an aggregate.

    An attribute that is not set is left out. Private attributes (`_name`) and `ClassVar`s are not state.

    Args:
        aggregate_type: a class that annotates its whole state, such as a dataclass. `id` may be the only attribute.

    Raises:
        InvalidDefinition: the type of an attribute has no JSON, an attribute is a secret, or no attribute is annotated.
    """

    def __init__(self, aggregate_type: type[A]) -> None:
        self._type = aggregate_type
        hints = {
            name: hint
            for name, hint in get_type_hints(aggregate_type, include_extras=True).items()
            if not name.startswith("_") and hint is not ClassVar and get_origin(hint) is not ClassVar
        }
        self._only_id = set(hints) <= {"id"}
        if self._only_id and not any(
            "id" in get_annotations(base) for base in aggregate_type.__mro__ if base not in _OURS
        ):
            raise InvalidDefinition(
                f"cannot store the state of {aggregate_type.__qualname__}: it annotates no attribute, not even 'id'. "
                "Annotate its attributes in the class body, or pass a mapping of your own to the store."
            )
        fields: dict[str, Any] = {name: (hint, None) for name, hint in hints.items()}
        try:
            self._model: type[BaseModel] = create_model(
                f"{aggregate_type.__name__}State",
                __config__={**JSON_FORMAT, "protected_namespaces": ()},
                **fields,
            )
        except Exception as error:
            raise InvalidDefinition(
                f"cannot store the state of {aggregate_type.__qualname__}: it has no JSON: {error}. "
                "Use types that pydantic supports, or pass a mapping of your own to the store."
            ) from error
        self._round_trip: RoundTrip[BaseModel] = RoundTrip(self._model)
        if secrets := masked(self._model):
            raise InvalidDefinition(
                f"cannot store the state of {aggregate_type.__qualname__} with its secrets: {', '.join(secrets)} would "
                f"come back as {MASK}. {ADVICE}"
            )

    @staticmethod
    def of(aggregate_type: type[A]) -> StateCodec[A]:
        """Return the codec of a class. All stores of a process share it, because its creation takes a millisecond."""
        key: Any = aggregate_type
        return _codec(key)

    def encode(self, aggregate: A) -> str:
        """Return the state as JSON text from which an aggregate with the same state is decoded.

        Raises:
            NotStorable: an attribute does not fit its annotation, has no JSON, or would come back changed.
        """
        state = {
            name: value
            for name in self._model.model_fields
            if (value := getattr(aggregate, name, _UNSET)) is not _UNSET
        }
        if self._only_id and (lost := [name for name in vars(aggregate) if name != "id" and not name.startswith("_")]):
            raise NotStorable(
                f"cannot store {self._named(aggregate.id)}: its class does not annotate {', '.join(lost)}, and so the value "
                "would be lost. Annotate the attribute in the class body."
            )
        made: BaseModel = self._model.model_construct(set(state), **state)
        try:
            return self._round_trip.encode(made, without=self._model.model_fields.keys() - state.keys())
        except LossyError as lossy:
            raise NotStorable(f"cannot store {self._named(state.get('id'))}: {lossy}") from lossy

    def decode(self, text: str, id: object = None) -> A:
        """Return a new aggregate with this state and no recorded events. `__init__` is not called.

        Args:
            text: the text that `encode` returned.
            id: the id of the aggregate, for the error message.

        Raises:
            StorageError: the text does not fit the class, because the class was changed.
        """
        try:
            state = self._round_trip.decode(text)
        except ValidationError as error:
            raise StorageError(
                f"cannot load {self._named(id)}: its stored state does not fit the class any more: "
                f"{misfits_without_values(error)}. Widen the annotation so that it accepts the old values too, or change "
                "the stored state."
            ) from None  # the text of the cause quotes the values
        aggregate = self._type.__new__(self._type)
        for name in state.model_fields_set:
            setattr(aggregate, name, getattr(state, name))
        return aggregate

    def _named(self, id: object) -> str:
        return self._type.__qualname__ if id is None else f"{self._type.__qualname__} {id}"


_UNSET = object()

_OURS = (Aggregate, object)


@lru_cache(maxsize=_KEPT)
def _codec(aggregate_type: type[Any]) -> StateCodec[Any]:
    return StateCodec(aggregate_type)
