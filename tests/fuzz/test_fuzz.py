"""A decoder accepts the values of clients and other programs, or refuses them with its own error."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.__main__ import outcome
from tests.fuzz.mutations import mutated, nested
from tests.fuzz.targets import TARGETS, Target

EVERY = pytest.mark.parametrize("name", TARGETS)


@EVERY
@pytest.mark.parametrize("seed", range(3))
def test_random_inputs_are_accepted_or_refused(name: str, seed: int) -> None:
    """Variations of valid inputs raise no other error than the refusals of the target."""
    source = Random(seed)
    target = TARGETS[name]
    for _ in range(1_000):
        outcome(target, mutated(source.choice(target.seeds), source))


@EVERY
@pytest.mark.parametrize("depth", [100, 1_000, 100_000])
def test_deeply_nested_inputs_are_accepted_or_refused(name: str, depth: int) -> None:
    """Deep nesting does not exhaust the stack."""
    for data in nested(depth):
        outcome(TARGETS[name], data)


@EVERY
def test_valid_inputs_are_accepted(name: str) -> None:
    """The inputs that are varied are valid, so that their variations reach the code behind the first checks."""
    found = {outcome(TARGETS[name], seed) for seed in TARGETS[name].seeds if b"error" not in seed}
    assert found == {"accepted"}


def test_an_error_that_is_not_a_refusal_fails() -> None:
    """A target that raises anything else is reported with the input."""
    target = Target(lambda data: [].pop(), [b""], (ValueError,))
    with pytest.raises(AssertionError, match="IndexError"):
        outcome(target, b"anything")
