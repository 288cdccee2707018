"""Processes that are tested without an application."""

from __future__ import annotations

import pytest

from twofold.testing import Raised, Reply, TimedOut, given_process
from twofold.testing.conformance._domain.fulfilment import (
    UNPAID,
    Charge,
    Ordered,
    OutOfStock,
    Paid,
    Refund,
    Rejected,
    Release,
    Reserve,
    Undeclared,
    fulfilment,
)

ORDERED, RESERVE, CHARGE = Ordered(order_id="a"), Reserve(order_id="a"), Charge(order_id="a")
CHARGED = ORDERED, Reply(RESERVE, "r1"), Reply(CHARGE, None)
PROCESS = fulfilment()


def test_a_start_sends_commands_and_starts_timeouts() -> None:
    """The commands, the timeouts, the state and the fields after an input are checked."""
    decided = given_process(PROCESS).when(ORDERED)
    decided.then(RESERVE).then_timeouts(unpaid=UNPAID).then_state("running").then_fields(order_id="a", reservation="")


def test_a_reply_is_an_input() -> None:
    """A reply completes a step, and its method sends the next command."""
    given_process(PROCESS, ORDERED).when(Reply(RESERVE, "r1")).then(CHARGE).then_fields(reservation="r1")


def test_compensations_follow_one_another() -> None:
    """A timeout compensates the completed steps in reverse order, each after the reply to the one before."""
    refund, release = Refund(order_id="a"), Release(order_id="a")
    given_process(PROCESS, *CHARGED).when(TimedOut("unpaid")).then(refund).then_state("compensating", reason="unpaid")
    late = (*CHARGED, Rejected(order_id="a"))
    given_process(PROCESS, *late).when(Reply(refund, None)).then(release)
    given_process(PROCESS, *late, Reply(refund, None)).when(Reply(release, None)).then().then_state("failed")
    given_process(PROCESS, *late).when(Raised(refund, OSError("down"))).then_state("compensation_stuck")


def test_errors_of_commands() -> None:
    """A declared error is an input. An error without a method is raised."""
    given_process(PROCESS, ORDERED).when(Raised(RESERVE, OutOfStock())).then_state("failed", reason="out of stock")
    given_process(PROCESS, ORDERED).when(Raised(RESERVE, Undeclared("no"))).then_raises(Undeclared, "no")


def test_the_end_cancels_timeouts_and_ignores_inputs() -> None:
    """The end of a process cancels its timeouts. Later inputs, and inputs before the start, are ignored."""
    decided = given_process(PROCESS, *CHARGED).when(Paid(reference="a"))
    decided.then().then_cancelled("unpaid").then_state("completed")
    given_process(PROCESS, *CHARGED, Paid(reference="a")).when(TimedOut("unpaid")).then_ignored()
    given_process(PROCESS).when(Paid(reference="a")).then_ignored()
    given_process(PROCESS, ORDERED).when(Paid(reference="another")).then_ignored()


def test_failures_are_diffs() -> None:
    """A check that fails shows the expected and the actual values."""
    decided = given_process(PROCESS, ORDERED).when(Reply(RESERVE, "r1"))
    with pytest.raises(AssertionError, match=r"(?s)the commands differ.*- Reserve\(.*\+ Charge\("):
        decided.then(RESERVE)
    with pytest.raises(AssertionError, match="the states differ"):
        decided.then_state("completed")
    with pytest.raises(AssertionError, match="the timeouts differ"):
        decided.then_timeouts(unpaid=UNPAID)
    with pytest.raises(AssertionError, match="the fields differ"):
        decided.then_fields(reservation="r2")
    with pytest.raises(AssertionError, match="did not ignore"):
        decided.then_ignored()
    with pytest.raises(ValueError, match=r"expects no reply.*test\.charge"):
        given_process(PROCESS, ORDERED, Reply(RESERVE, "r1")).when(Reply(RESERVE, "r1"))
