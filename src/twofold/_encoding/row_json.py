"""Rows of read models as JSON, for stores that keep a row in one value."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import to_json

from .._background.shown import shown
from .._definitions.view import View
from ..errors import NotStorable, UnreadableRow
from ..ports.rows import RowChange
from .lossy import LossyError
from .misfits import misfits_without_values
from .round_trip import RoundTrip

V = TypeVar("V", bound=View)


@cache
def round_trip_of_rows(view: type[View]) -> RoundTrip[Any]:
    """Return the encoder and decoder of the rows of a view."""
    return RoundTrip(view)


class RowCodec(Generic[V]):
    """Encode and decode the rows of a view as JSON, for stores that keep a row in one value.

    Args:
        view: the view.
    """

    def __init__(self, view: type[V]) -> None:
        self._view = view
        self._round_trip: RoundTrip[V] = round_trip_of_rows(view)
        self._excluded = {name for name, field in view.model_fields.items() if field.exclude}

    def encode(self, row: V) -> str:
        """Return a row as JSON text that comes back as the same row.

        Raises:
            NotStorable: there is no such text.
        """
        try:
            return self._round_trip.encode(row)
        except LossyError as lossy:
            raise NotStorable(f"cannot store {self._view.__qualname__} {shown(row.key)}: {lossy}") from lossy

    def text_of(self, change: RowChange[V]) -> str | None:
        """Return the JSON text of a changed row: the one that the core has encoded, if there is one; None to delete the row.

        Raises:
            NotStorable: there is no such text.
        """
        return change.text if change.text is not None or change.row is None else self.encode(change.row)

    def decode(self, text: str | bytes, key: object = None, absent: Collection[str] = ()) -> V:
        """Return the row. Fields that the view no longer has are left out. A missing field has its default.

        Args:
            text: the text that `encode` returned.
            key: the key of the row, for the error. The text shows it, too.
            absent: fields that are missing if their null does not fit the view.

        Raises:
            UnreadableRow: the other fields do not fit the view, because the view was changed.
        """
        try:
            return self._round_trip.decode(text)
        except ValidationError as error:
            faults = error.errors(include_url=False)
            left_out = {
                each["loc"][0] for each in faults if _is_unknown(each) or (each["loc"][:1] and each["loc"][0] in absent)
            }
            try:
                if not left_out:
                    raise
                return self._without(text, left_out)
            except ValidationError as misfit:
                found = f"it does not fit the class any more: {misfits_without_values(misfit)}"
                raise UnreadableRow(self._view, self._key_of(text, key), found) from None  # its text quotes the values

    def decode_all(
        self, texts: Iterable[tuple[object, str | bytes]], unreadable: list[UnreadableRow] | None
    ) -> list[V]:
        """Return rows.

        Args:
            texts: the keys of rows, which may be None, and their texts.
            unreadable: a list to which the errors of unreadable rows are added.

        Raises:
            UnreadableRow: a row is unreadable, and there is no list.
        """
        rows: list[V] = []
        for key, text in texts:
            try:
                rows.append(self.decode(text, key))
            except UnreadableRow as error:
                if unreadable is None:
                    raise
                unreadable.append(error)
        return rows

    def encode_field(self, row: V, name: str) -> str | None:
        """Return the JSON text of one field, for stores that keep it in a column of its own; None for null.

        `decode_columns` reads it.

        Raises:
            NotStorable: the field has no JSON.
        """
        try:
            text = self._view.__pydantic_serializer__.to_json(row, include={name}, by_alias=False, round_trip=True)
        except Exception as error:
            raise NotStorable(
                f"cannot store {self._view.__qualname__} {shown(row.key)}: the field {name!r} is "
                f"{shown(getattr(row, name))}, which has no JSON ({error}). Use types that pydantic supports."
            ) from error
        value = text[len(name.encode()) + 4 : -1].decode()  # the text is {"name":value}
        return None if value in ("null", "") else value

    def decode_columns(self, values: Mapping[str, Any], texts: Mapping[str, str | None]) -> V:
        """Return the row of a store that keeps fields in columns of their own.

        Args:
            values: the values of scalar fields. A null that does not fit the field is a missing value, as in a new column.
            texts: the JSON texts of the other fields, or None for null.

        Raises:
            UnreadableRow: the fields do not fit the view, because the view was changed.
            ValueError: a serializer of the view fails, for the same reason.
        """
        parts = [f'"{name}":{text or "null"}' for name, text in texts.items() if text or name not in self._excluded]
        if values:
            parts.append(self._as_encoded(values)[1:-1].decode())
        absent = [name for part in (values, texts) for name, value in part.items() if value is None]
        return self.decode(f"{{{','.join(parts)}}}", absent=absent)

    def build(self, values: dict[str, Any]) -> V:
        """Create a row from the values of its fields without validation.

        It does what `model_construct` does, which takes more than twice as long, and reads aliases. The attributes are
        documented by pydantic; there is no faster public function.
        """
        row = self._view.__new__(self._view)
        put = object.__setattr__
        put(row, "__dict__", values)
        put(row, "__pydantic_fields_set__", set(values))
        put(row, "__pydantic_extra__", None)
        put(row, "__pydantic_private__", None)
        return row

    def _as_encoded(self, values: Mapping[str, Any]) -> bytes:
        """Return fields in the form that `encode` writes, which the validators of the view expect.

        A field may have a serializer of its own, which its validator reverses.
        """
        if self._round_trip.is_plain:
            return to_json(values, inf_nan_mode="strings", bytes_mode="base64", fallback=str)
        row = self.build(dict(values))
        return self._view.__pydantic_serializer__.to_json(row, by_alias=False, round_trip=True, warnings=False)

    def _key_of(self, text: str | bytes, key: object) -> object:
        try:
            return json.loads(text)[self._view.view_key] if key is None else key
        except (ValueError, LookupError, TypeError):
            return None

    def _without(self, text: str | bytes, fields: set[int | str]) -> V:
        kept = {name: value for name, value in json.loads(text).items() if name not in fields}
        return self._round_trip.decode(json.dumps(kept))


def _is_unknown(fault: Any) -> bool:
    return fault["type"] == "extra_forbidden" and len(fault["loc"]) == 1
