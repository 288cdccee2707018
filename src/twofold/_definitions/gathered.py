"""The answers of several handlers to one query, and the policies that say how many are needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

from .._background.shown import shown_option
from ..errors import ConfigurationError

R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A policy of `gather`: wait for all answerers until the timeout, and require a number of answers.

    Attributes:
        number: the number of answers, at least 0. With 0, the call never fails for lack of answers.

    Raises:
        ConfigurationError: `number` is not an int of at least 0.
    """

    number: int

    def __post_init__(self) -> None:
        given: object = self.number
        if type(given) is not int or given < 0:
            raise ConfigurationError(f"AtLeast({shown_option(given)}): the number must be an int of at least 0.")


Policy: TypeAlias = Literal["all", "first"] | AtLeast
"""How many answers a call of `gather` needs, and when it ends."""


@dataclass(frozen=True, slots=True)
class Gathered(Generic[R_co]):
    """The answers to a query that several answerers were asked. Each answerer is in exactly one of the attributes.

    Attributes:
        answers: the answers by the name of the answerer, in the order in which they arrived.
        failures: for each answerer that failed or was late, the error. A late answerer has `AnswerTimeout`.
        unfinished: the answerers that were cancelled, because the policy needed no more answers.
    """

    answers: Mapping[str, R_co]
    failures: Mapping[str, Exception]
    unfinished: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every answerer has answered. Otherwise the answers are partial."""
        return not self.failures and not self.unfinished


def needed_of(policy: Policy, answerers: int, query: str) -> int:
    """Return the number of answers that a policy needs.

    Args:
        policy: the policy.
        answerers: the number of answerers.
        query: the name of the query.

    Raises:
        ConfigurationError: it is not a policy, or it needs more answers than there are answerers.
    """
    if isinstance(policy, AtLeast):
        if policy.number > answerers:
            raise ConfigurationError(
                f"cannot gather {query} with {policy}: the query has {answerers} answerer(s). Lower the number."
            )
        return policy.number
    if policy not in ("all", "first"):
        raise ConfigurationError(
            f"cannot gather {query} with policy={shown_option(policy)}: use 'all', 'first' or AtLeast(…)."
        )
    return answerers if policy == "all" else 1
