"""Test values against a condition, for stores that compare in Python."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from .rows import ORDERED, Condition, Operator

_COMPARE: Final[Mapping[Operator, Callable[[Any, Any], bool]]] = {
    Operator.EQ: operator.eq,
    Operator.NE: operator.ne,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
}


def condition_test(condition: Condition, comparable: Callable[[Any], Any]) -> Callable[[Any], bool]:
    """Return a function that tests the value of a field.

    Args:
        condition: the condition.
        comparable: converts a value, which is not None, to a hashable form that the store compares in place of the value.
    """

    def form(value: Any) -> Any:
        return None if value is None else comparable(value)

    match condition:
        case Condition(operator=Operator.ANY_OF, value=tuple(alternatives)):
            tests = [condition_test(each, comparable) for each in alternatives]
            return lambda own: any(holds(own) for holds in tests)
        case Condition(operator=Operator.ONE_OF, value=tuple(options)):
            forms = frozenset(map(form, options))
            return lambda own: form(own) in forms
    compare, other = _COMPARE[condition.operator], form(condition.value)
    if condition.operator in ORDERED:
        return lambda own: own is not None and compare(comparable(own), other)
    return lambda own: compare(form(own), other)
