"""Ask several answerers one query at the same time, and gather their answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

import anyio

from .._background.failures import contained, description
from .._buses.no_handler import several_answerers
from .._definitions.gathered import Gathered, Policy, needed_of
from .._definitions.message import Query
from .._encoding.result_types import misfit
from ..errors import AnswerTimeout, InvalidAnswer, RemoteTimeout, TooFewAnswers
from .steps import Pipeline, Step

R = TypeVar("R")

Ask: TypeAlias = Callable[[], Awaitable[Any]]
"""Asks one answerer."""

_SHOWN: Final = 10
"""The number of failures that the text of an error lists."""


class RemoteAnswerer(NamedTuple):
    """An application that answers a query.

    Attributes:
        service: the name of the application.
        ask: sends it the query, with a timeout in seconds.
    """

    service: str
    ask: Callable[[Query[Any], float], Awaitable[Any]]


Answerer: TypeAlias = Pipeline | RemoteAnswerer
"""A handler of this application, or another application."""


@dataclass(slots=True, eq=False)
class Gathering(Generic[R]):
    """One call of `gather`. The answerers are tasks of the call: all of them have ended when it ends.

    Attributes:
        query: the query.
        asked: asks each answerer, by name.
        policy: the policy.
        timeout: the timeout, in seconds.
    """

    query: Query[R]
    asked: Mapping[str, Ask]
    policy: Policy
    timeout: float
    answers: dict[str, R] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)

    async def run(self) -> Gathered[R]:
        """Ask all answerers until the outcome is decided.

        Raises:
            TooFewAnswers: there are fewer answers than the policy needs.
            ConfigurationError: the policy needs more answers than there are answerers.
        """
        needed = needed_of(self.policy, len(self.asked), type(self.query).__name__)
        with anyio.move_on_after(self.timeout) as limit:
            async with anyio.create_task_group() as tasks:
                for name, ask in self.asked.items():
                    tasks.start_soon(self._ask, name, ask, needed, tasks.cancel_scope)
        open_ = [name for name in self.asked if name not in self.answers and name not in self.failures]
        if limit.cancelled_caught:
            self.failures.update((name, self._late(name)) for name in open_)
            open_ = []
        gathered = Gathered(self.answers, self.failures, tuple(open_))
        if len(self.answers) < needed:
            raise self._too_few(gathered, needed)
        return gathered

    async def _ask(self, name: str, ask: Ask, needed: int, scope: anyio.CancelScope) -> None:
        """Ask one answerer. Cancel the others when they can no longer change the outcome."""
        try:
            with contained():
                answer = await ask()
                wrong = misfit(type(self.query), answer)
            if wrong is None:
                self.answers[name] = answer
            else:
                self.failures[name] = InvalidAnswer(f"{name!r} answered {type(self.query).__name__} with {wrong}.")
        except RemoteTimeout as error:
            self.failures[name] = late = self._late(name)
            late.__cause__ = error
        except Exception as error:  # noqa: BLE001 -- the caller gets it, beside the answers of the others
            self.failures[name] = error
        enough = self.policy == "first" and bool(self.answers)
        if enough or len(self.asked) - len(self.failures) < needed:
            scope.cancel()

    def _late(self, name: str) -> AnswerTimeout:
        return AnswerTimeout(f"{name!r} did not answer {type(self.query).__name__} within {self.timeout:g} s.")

    def _too_few(self, gathered: Gathered[R], needed: int) -> TooFewAnswers:
        failures = [f"{name}: {description(error).rstrip('.')}" for name, error in gathered.failures.items()]
        more = f" and {len(failures) - _SHOWN} more" if len(failures) > _SHOWN else ""
        return TooFewAnswers(
            f"{len(gathered.answers)} of {len(self.asked)} answerers answered {type(self.query).__name__}, and the policy "
            f"{self.policy!r} needs {needed}. Failures: {'; '.join(failures[:_SHOWN])}{more}. Use policy=AtLeast(…) to "
            "accept partial answers.",
            answers=gathered.answers,
            failures=gathered.failures,
            unfinished=gathered.unfinished,
        )


def several(query: type[Query[Any]], answerers: Mapping[str, Answerer]) -> Pipeline:
    """Return the pipeline of a query with several answerers, for `explain`. It refuses to answer with one result."""
    steps = [Step("gather", f"gather: asks {', '.join(answerers)} at the same time")]
    for name, answerer in answerers.items():
        if isinstance(answerer, RemoteAnswerer):
            steps.append(Step("request", f"{name}: request to the application {answerer.service!r}"))
        else:
            steps.extend(Step(step.name, f"{name}: {step.text}") for step in answerer.steps)

    async def refuse(query: Query[Any]) -> None:
        raise several_answerers(query)

    return Pipeline(query, tuple(steps), refuse, refuse)
