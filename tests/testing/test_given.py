"""Tests of aggregates with given, when and then."""

from __future__ import annotations

import pytest

from tests.domains.paying import Cancelled, Order, Paid, Placed
from twofold.testing import given, when


def test_a_call_records_events_and_returns() -> None:
    """The events and the return value of a call are compared."""
    paid = given(Order, Placed(order_id="a")).when(lambda order: order.pay(5))
    paid.then(Paid(order_id="a", cents=5)).then_returns("receipt of a")
    assert paid.aggregate is not None
    assert not paid.aggregate.open


def test_a_call_that_records_nothing() -> None:
    """A call without an event is expected by no event."""
    given(Order, Placed(order_id="a"), Paid(order_id="a", cents=1)).when(Order.cancel).then()


def test_a_new_aggregate() -> None:
    """The events of a new aggregate are compared, and its errors are checked."""
    when(lambda: Order.place("a")).then(Placed(order_id="a"))
    error = when(lambda: Order.place("")).then_raises(ValueError, match="needs an id")
    assert str(error) == "an order needs an id"


def test_other_events_are_shown_as_a_diff() -> None:
    """A failure shows each field that differs."""
    with pytest.raises(AssertionError) as caught:
        given(Order, Placed(order_id="a")).when(lambda order: order.pay(5)).then(Paid(order_id="a", cents=6))
    assert str(caught.value).splitlines() == [
        "the recorded events differ (- expected, + actual):",
        "  Paid(",
        "      order_id='a',",
        "-     cents=6,",
        "+     cents=5,",
        "  )",
    ]


def test_an_unexpected_error_is_the_cause_of_the_failure() -> None:
    """`then` does not hide the error of the call."""
    with pytest.raises(AssertionError, match="then_raises") as caught:
        when(lambda: Order.place("")).then()
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize(
    ("error", "match", "text"),
    [
        (LookupError, "", "expected was LookupError"),
        (ValueError, "negative", "does not match 'negative'"),
        (ValueError, "positive", "the recorded events differ"),
    ],
)
def test_another_error_than_expected(error: type[Exception], match: str, text: str) -> None:
    """The class and the text of an error are checked, and that nothing was recorded before."""
    with pytest.raises(AssertionError, match=text):
        given(Order, Placed(order_id="a")).when(lambda order: order.pay(0)).then_raises(error, match)


def test_no_error_where_one_is_expected() -> None:
    """`then_raises` fails if the call raised nothing."""
    with pytest.raises(AssertionError, match="the call raised nothing"):
        given(Order, Placed(order_id="a")).when(Order.cancel).then_raises(ValueError)


def test_an_event_of_a_subclass_is_another_event() -> None:
    """Events are equal only if their classes are."""

    class Refunded(Cancelled, name="shop.refunded"):
        pass

    with pytest.raises(AssertionError, match="Refunded"):
        given(Order, Placed(order_id="a")).when(Order.cancel).then(Refunded(order_id="a"))


def test_past_events_are_required() -> None:
    """An aggregate without past events is created by `when`."""
    with pytest.raises(TypeError, match=r"given\(Order\): pass at least one past event"):
        given(Order)
