"""The ways into a store or to another process, and the values that each of them accepts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from twofold._encoding.checked_rows import checked_row
from twofold._encoding.difference import difference
from twofold._encoding.lossy import LossyError
from twofold._encoding.result_types import answers_of
from twofold._encoding.round_trip import round_trip_of
from twofold._encoding.state_json import StateCodec
from twofold._remote.wire import encode_request, encode_result
from twofold.errors import NotStorable

from .value_classes import Family, families, row_of, state_of
from .value_samples import Sample

WAYS = (
    "event",
    "state",
    "snapshot",
    "row",
    "command",
    "result",
    "cached answer",
    "remote command",
    "remote result",
)
"""The ways. A command is scheduled. A result is stored with an idempotency key."""

OPTIONAL = frozenset({"snapshot", "cached answer"})
"""The ways that only save work: a value that is not accepted is computed again."""


def accepted(sample: Sample, way: str) -> bool:
    """Return whether a value passes validation, without a store."""
    try:
        _encode(families()[sample.field], sample, way)
    except (LossyError, NotStorable):
        return False
    return True


def _encode(family: Family, sample: Sample, way: str) -> object:
    match way:
        case "event":
            return round_trip_of(family.event).encode(family.event(value=sample.value))
        case "state":
            return StateCodec(family.state).encode(state_of(family.state, sample))
        case "snapshot":
            return StateCodec(family.snapshot).encode(state_of(family.snapshot, sample))
        case "row":
            return checked_row(family.row, row_of(family, sample))
        case "command":
            return round_trip_of(family.later).encode(family.later(sample=0, value=sample.value))
        case "remote command":
            return encode_request(family.later(sample=0, value=sample.value), None, "")
        case "remote result":
            return encode_result(family.answer, sample.value, "")
        case "cached answer":
            return answers_of(family.ask).encode(sample.value)
    return answers_of(family.answer).encode(sample.value)


def same(found: Any, value: Any) -> bool:
    """Return whether a value came back unchanged. A time in UTC may stand for the same time in another zone."""
    if type(found) is type(value) is datetime and found.utcoffset() == timedelta(0) and value.utcoffset() is not None:
        return bool(found.astimezone(UTC) == value.astimezone(UTC))
    return difference(value, found) is None


def named(sample: Sample) -> str:
    """Return the type of the field and the value of a sample, for an error."""
    return f"{sample.field}: {sample.shown}"
