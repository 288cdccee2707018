"""The comparisons in a `where`.

They compare as Python does: `None` equals only `None`, differs from every value, and is neither greater nor less than a
value. Every store compares alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import InvalidFind
from ..ports.rows import Operator


@dataclass(frozen=True, slots=True)
class Comparison:
    """A value with the way to compare it; created by `gt`, `ge`, `lt`, `le`, `ne`, `one_of` and `any_of`."""

    operator: Operator
    value: object


def gt(value: object) -> Comparison:
    """Match fields greater than a value. `None` is not greater than any value."""
    return Comparison(Operator.GT, value)


def ge(value: object) -> Comparison:
    """Match fields greater than or equal to a value. `None` is not greater than any value."""
    return Comparison(Operator.GE, value)


def lt(value: object) -> Comparison:
    """Match fields less than a value. `None` is not less than any value."""
    return Comparison(Operator.LT, value)


def le(value: object) -> Comparison:
    """Match fields less than or equal to a value. `None` is not less than any value."""
    return Comparison(Operator.LE, value)


def ne(value: object) -> Comparison:
    """Match fields that are not equal to a value, including those that hold `None`. `ne(None)` matches every value."""
    return Comparison(Operator.NE, value)


def one_of(values: Iterable[object]) -> Comparison:
    """Match fields equal to one of some values, of which one may be `None`. Without values, nothing matches.

    Raises:
        InvalidFind: the values are one text.
    """
    if isinstance(values, str):
        raise InvalidFind(f"one_of({values!r:.100}): the values are one text. Pass a list: one_of([{values!r:.100}]).")
    return Comparison(Operator.ONE_OF, tuple(values))


def any_of(*alternatives: object) -> Comparison:
    """Match fields for which at least one alternative holds.

        await orders.find({"total": any_of(lt(5), gt(100), None)})

    Args:
        alternatives: values that the field may equal, and comparisons, also other `any_of(...)`.

    Raises:
        InvalidFind: there is no alternative.
    """
    if not alternatives:
        raise InvalidFind(
            "any_of() has no alternative. Pass at least one value or comparison, such as any_of(gt(5), None)."
        )
    flat: list[Comparison] = []
    for each in alternatives:
        comparison = each if isinstance(each, Comparison) else Comparison(Operator.EQ, each)
        flat += alternatives_of(comparison)
    return Comparison(Operator.ANY_OF, tuple(flat))


def alternatives_of(comparison: Comparison) -> tuple[Comparison, ...]:
    """Return the alternatives of an `any_of`, or a comparison itself as the only one."""
    if comparison.operator is Operator.ANY_OF and isinstance(comparison.value, tuple):
        return comparison.value
    return (comparison,)
