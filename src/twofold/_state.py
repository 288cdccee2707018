"""The state of an aggregate as JSON, for stores that keep it whole."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from ._aggregate import Aggregate
from ._secrets import ADVICE, MASK, masked
from .errors import InvalidDefinition

A = TypeVar("A", bound=Aggregate)


class StateCodec(Generic[A]):
    """Write the annotated attributes of an aggregate as JSON, and make an aggregate from it.

    An attribute that is not set is left out. Private attributes (`_name`) and `ClassVar`s are not state.

    Args:
        aggregate_type: a class whose state is all annotated, such as a dataclass.

    Raises:
        InvalidDefinition: an attribute has a type that pydantic cannot write as JSON, or is a secret, or nothing but `id` is
            annotated.
    """

    def __init__(self, aggregate_type: type[A]) -> None:
        self._type = aggregate_type
        hints = {
            name: hint
            for name, hint in get_type_hints(aggregate_type, include_extras=True).items()
            if not name.startswith("_") and hint is not ClassVar and get_origin(hint) is not ClassVar
        }
        if set(hints) <= {"id"}:
            raise InvalidDefinition(
                f"cannot keep the state of {aggregate_type.__qualname__}: it annotates no attribute but 'id'. "
                "Annotate its attributes in the class body, or give the store a mapping of your own."
            )
        fields: dict[str, Any] = {name: (hint, None) for name, hint in hints.items()}
        try:
            self._model: type[BaseModel] = create_model(
                f"{aggregate_type.__name__}State",
                __config__=ConfigDict(
                    ser_json_inf_nan="strings",
                    ser_json_bytes="base64",
                    val_json_bytes="base64",
                    protected_namespaces=(),
                ),
                **fields,
            )
        except Exception as error:
            raise InvalidDefinition(
                f"cannot keep the state of {aggregate_type.__qualname__} as JSON: {error}. "
                "Use types that pydantic knows, or give the store a mapping of your own."
            ) from error

        if secrets := masked(self._model):
            raise InvalidDefinition(
                f"cannot keep the state of {aggregate_type.__qualname__} with its secrets: {', '.join(secrets)} would "
                f"come back as {MASK}. {ADVICE}"
            )

    def encode(self, aggregate: A) -> str:
        """Return the state as JSON text."""
        state = {
            name: value
            for name in self._model.model_fields
            if (value := getattr(aggregate, name, _UNSET)) is not _UNSET
        }
        return self._model.model_construct(set(state), **state).model_dump_json(exclude_unset=True)

    def decode(self, text: str) -> A:
        """Return a new aggregate with this state and no recorded events. `__init__` is not called."""
        state = self._model.model_validate_json(text)
        aggregate = self._type.__new__(self._type)
        for name in state.model_fields_set:
            setattr(aggregate, name, getattr(state, name))
        return aggregate


_UNSET = object()
