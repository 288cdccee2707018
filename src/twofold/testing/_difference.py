"""The difference between expected and actual values, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import ndiff

from pydantic import BaseModel


def check_equal(subject: str, expected: Sequence[object], actual: Sequence[object]) -> None:
    """Check that two sequences are equal, and of equal types.

    Args:
        subject: the subject of the message: "the events of PayOrder".
        expected: the expected values.
        actual: the actual values.

    Raises:
        AssertionError: they differ. The text is a diff: lines with `-` are missing, lines with `+` were not expected.
    """
    if len(expected) == len(actual) and all(
        type(one) is type(other) and one == other for one, other in zip(expected, actual, strict=True)
    ):
        return
    lines = ndiff([*_lines(expected)], [*_lines(actual)])
    shown = "\n".join(line for line in lines if not line.startswith("?"))
    raise AssertionError(f"{subject} differ (- expected, + actual):\n{shown or '  nothing'}")


def _lines(values: Sequence[object]) -> Iterator[str]:
    """Yield a line for each field, so that a diff names the fields that differ."""
    for value in values:
        if isinstance(value, BaseModel) and type(value).model_fields:
            yield f"{type(value).__name__}("
            for field in type(value).model_fields:
                yield f"    {field}={getattr(value, field, None)!r},"
            yield ")"
        else:
            yield repr(value)
