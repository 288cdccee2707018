"""The fields of views as callers name them, and the one way from a caller's value to a value of a field.

Keys, filters and cursors come from clients. Their values are converted to the type of the field, and then to the form in
which every store keeps and compares it. A value without such a form is refused, so that no store finds it unequal.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from functools import cache, cached_property
from typing import Any, Final, TypeAlias

from pydantic import TypeAdapter, ValidationError

from .._definitions.names import is_text
from .._definitions.scalar_form import ScalarForm, scalar_form
from .._definitions.view import View, field_type
from .._encoding.row_values import Normalise, stored_forms

Refused: TypeAlias = ValueError
"""A value does not fit its field. The text continues a sentence about the value, and advises."""

_LARGEST_EXPONENT: Final = 400
"""The largest exponent of a decimal that is converted to another type: of a float, 308. Larger ones take seconds."""


class Field:
    """A field of a view.

    Args:
        view: the view.
        name: the name of the field.
    """

    def __init__(self, view: type[View], name: str) -> None:
        kind, self.optional, _ = field_type(view, name)
        self.name = name
        self.form: ScalarForm | None = scalar_form(kind) if isinstance(kind, type) else None
        """The form in which its values are compared; None for a field that cannot be used in conditions."""
        self.scalar: type | None = kind if self.form is not None else None
        """The class of its values, for a field by which rows can be found; None for any other field."""
        self._annotation: Any = view.model_fields[name].annotation
        self._normalise: Normalise | None = stored_forms(view).get(name)

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self._annotation)

    @property
    def sortable(self) -> bool:
        """Whether rows can be sorted by the field. Optional fields cannot: None has no place in an order."""
        return self.scalar is not None and not self.optional

    def value_of(self, value: object) -> Any:
        """Return a caller's value as a value of the field, in the form that every store keeps.

        Raises:
            Refused: the value does not fit the field, or is changed by the conversion.
        """
        if value is None:
            if self.optional:
                return None
            raise Refused("the field is never None. Use a value")
        if isinstance(value, Enum) and (self.scalar is None or not isinstance(value, self.scalar)):
            value = value.value
        if isinstance(value, Decimal) and not (value.is_finite() and abs(value.adjusted()) <= _LARGEST_EXPONENT):
            raise Refused("it is not finite, or its exponent is too large")
        try:
            converted = self._adapter.validate_python(value)
        except Exception as error:  # the class of a value may run any code, such as a `__repr__` that fails
            raise Refused(f"it does not fit the field: {_reason(error)}") from error
        if isinstance(value, int) and isinstance(converted, float) and converted != value:
            raise Refused("a float would round it. Use a smaller number")
        if isinstance(converted, str) and not is_text(converted):
            raise Refused("it contains a NUL character or half of a surrogate pair, which no row contains")
        return converted if self._normalise is None else self._normalise(converted)


@cache
def fields_of(view: type[View]) -> Mapping[str, Field]:
    """Return the fields of a view by name."""
    return {name: Field(view, name) for name in view.model_fields}


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return str(error.errors(include_url=False, include_context=False, include_input=False)[0]["msg"])
    return type(error).__name__
