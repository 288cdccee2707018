"""Cursors: opaque texts that stand for the place of a row in an order."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, Final

from pydantic_core import to_jsonable_python

from .._background.shown import shown
from .._definitions.view import View
from ..errors import InvalidFind
from ..ports.rows import Ordering
from .fields import Field, Refused, fields_of

LONGEST_CURSOR: Final = 65_536
"""The maximal number of characters of a cursor."""


def cursor(row: View, order: Sequence[Ordering]) -> str:
    """Return the cursor of a row.

    Raises:
        InvalidFind: the values by which the rows are sorted do not fit a cursor.
    """
    view = type(row)
    fields = fields_of(view)
    try:
        text = _encode(view, order, [fields[term.field].value_of(getattr(row, term.field)) for term in order])
    except Refused as refused:  # the row was stored before the rules for its values
        raise InvalidFind(f"cannot continue after {view.__qualname__} {shown(row.key)}: {refused}.") from refused
    if len(text) > LONGEST_CURSOR:
        raise InvalidFind(
            f"cannot continue after {view.__qualname__} {shown(row.key)}: its cursor would have {len(text)} characters, "
            f"and the limit is {LONGEST_CURSOR}. Sort by shorter fields, or use numbered pages."
        )
    return text


def decode_cursor(view: type[View], order: Sequence[Ordering], text: str) -> tuple[Any, ...]:
    """Return the values of a row's place in an order.

    Raises:
        InvalidFind: the text is not a cursor of this view and this order.
    """
    try:
        if len(text) <= LONGEST_CURSOR:
            signature, values = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
            if signature == _signature(view, order) and isinstance(values, list):
                pairs = zip(order, values, strict=True)
                found = tuple(_decoded(fields_of(view)[term.field], value) for term, value in pairs)
                if _encode(view, order, found) == text:
                    return found
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
        pass  # one error for everything that `cursor` did not return
    raise InvalidFind(
        f"cannot page {view.__qualname__} after {shown(text)}: it is not a cursor of this view and this order. "
        "Pass Rows.next of a page that was found with the same order_by."
    )


def _encode(view: type[View], order: Sequence[Ordering], values: Sequence[object]) -> str:
    fields = [fields_of(view)[term.field] for term in order]
    parts = [field.form.value_of(each) if field.form else each for field, each in zip(fields, values, strict=True)]
    text = json.dumps([_signature(view, order), to_jsonable_python(parts)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _decoded(field: Field, part: Any) -> Any:
    decode = field.form.decode if field.form is not None else None
    return field.value_of(part if decode is None else decode(part))


def _signature(view: type[View], order: Sequence[Ordering]) -> str:
    return f"{view.view_name}:" + ",".join(("-" if term.descending else "") + term.field for term in order)
