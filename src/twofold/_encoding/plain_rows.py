"""Recognise rows that every store accepts as they are, without encoding them.

The types of the fields of a view are read once, and so is each combination of types that its rows have. Afterwards only the
values that their types do not determine are read: the size of an integer, the length and the characters of a text. Every
other row is normalised, encoded and compared; see `checked_rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from operator import contains, itemgetter
from types import NoneType
from typing import Any, Final, NamedTuple

from .._definitions.view import View
from .plain import field_types
from .round_trip import LARGEST
from .row_json import round_trip_of_rows
from .row_values import LONGEST_KEY, Normalise, indexed_fields, stored_forms
from .scalars import ROW_SCALARS

_COMBINATIONS: Final = 64
"""The number of combinations of types that are remembered for a view. A view with many optional fields has more."""

_LEAST, _MOST = -(2**63), 2**63 - 1


class _Checks(NamedTuple):
    """The values to check in a row whose values have certain types. Fields are numbered.

    Attributes:
        integers: the fields with integers.
        texts: the fields with texts, and the maximal number of their characters.
        others: the other fields that have a stored form, and the functions that return the form.
    """

    integers: tuple[int, ...]
    texts: tuple[tuple[int, int], ...]
    others: tuple[tuple[int, Normalise], ...]


class PlainRows:
    """Recognises the rows of a view that have their stored form and come back from JSON.

    Args:
        view: the view.
        types: for each field, the types whose values come back if they have the stored form of rows.
    """

    def __init__(self, view: type[View], types: Mapping[str, frozenset[type[Any]]]) -> None:
        forms, indexed = stored_forms(view), indexed_fields(view)
        # A character has at most 6 bytes in JSON, so that all fields together have less than the limit.
        longest = LARGEST // (8 * len(types))
        self._forms = [forms.get(name) for name in types]
        self._longest = [min(longest, LONGEST_KEY) if name in indexed else longest for name in types]
        self._types = tuple(types.values())
        self._values = _getter(tuple(types))
        self._known: dict[tuple[type[Any], ...], _Checks] = {}

    def has(self, row: View) -> bool:
        """Return whether a row is one of these rows. False means that it is not known."""
        found = row.__dict__
        if len(found) != len(self._types):
            return False
        try:
            values = self._values(found)
        except KeyError:  # a row that was created without validation
            return False
        types = tuple(map(type, values))
        checks = self._known[types] if types in self._known else self._learn(types)
        if checks is None:
            return False
        integers, texts, others = checks
        for index in integers:
            if not _LEAST <= values[index] <= _MOST:
                return False
        for index, longest in texts:
            text = values[index]
            if len(text) > longest or "\0" in text or not (text.isascii() or _is_unicode(text)):
                return False
        return not others or all(_is_stored(form, values[index]) for index, form in others)

    def _learn(self, types: tuple[type[Any], ...]) -> _Checks | None:
        """Return, and remember, the checks of rows whose values have these types. None: other values may come back."""
        if not all(map(contains, self._types, types)):
            return None
        determined = (int, str, bool, NoneType)
        checks = _Checks(
            tuple(index for index, cls in enumerate(types) if cls is int),
            tuple((index, self._longest[index]) for index, cls in enumerate(types) if cls is str),
            tuple(
                (index, form)
                for index, (cls, form) in enumerate(zip(types, self._forms, strict=True))
                if form is not None and cls not in determined
            ),
        )
        if len(self._known) < _COMBINATIONS:
            self._known[types] = checks
        return checks


@cache
def plain_rows(view: type[View]) -> PlainRows | None:
    """Return what recognises rows of a view, or None if a field is not a simple scalar, or has a constraint or validator."""
    round_trip = round_trip_of_rows(view)
    types = field_types(round_trip.adapter.core_schema, ROW_SCALARS) if round_trip.is_plain else None
    return None if types is None else PlainRows(view, types)


def _getter(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    if len(names) == 1:
        return lambda values: (values[names[0]],)
    return itemgetter(*names)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def _is_stored(form: Normalise, value: Any) -> bool:
    try:
        return form(value) is value
    except ValueError:  # the value is refused; `checked_rows` gives the reason
        return False
