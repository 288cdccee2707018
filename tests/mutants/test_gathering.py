"""Scatter-gather that mixes up, loses or hides answers, and brokers that hide that an answerer is down."""

from __future__ import annotations

from typing import Any

import anyio

from tests.application import test_gathering
from tests.brokers import REQUESTS
from tests.brokers import open_requests as opened_requests
from tests.mutants.combinators import raising, replacing
from tests.mutants.core import Faults, FaultSuite, setting
from tests.mutants.core import replacing as replaced
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import at, unbroken_requests
from twofold import Gathered
from twofold._dispatch import gathering
from twofold._dispatch.gathering import Gathering
from twofold.errors import NoRemoteService, RemoteTimeout
from twofold.testing.conformance import GatheringSuite
from twofold_memory import InMemory

SUITE = GatheringSuite()


async def _ask_bare(self: Any, name: str, ask: Any, needed: int, scope: Any) -> None:
    """Let the error of an answerer fail the call."""
    self.answers[name] = await ask()


def _one_by_one(ask_one: Any) -> Any:
    lock = anyio.Lock()

    async def ask(self: Any, *args: Any) -> None:
        async with lock:
            await ask_one(self, *args)

    return ask


def _never_cancelling(ask_one: Any) -> Any:
    async def ask(self: Any, name: str, ask: Any, needed: int, scope: Any) -> None:
        await ask_one(self, name, ask, needed, anyio.CancelScope())

    return ask


FAULTS: Faults = {
    SUITE.test_all_answer_at_the_same_time: {
        "answerers are asked one after another": replaced(Gathering, "_ask", _one_by_one),
    },
    SUITE.test_one_is_down: {
        "one failure fails the call": setting(Gathering, "_ask", _ask_bare),
        "partial answers count as all": setting(gathering, "needed_of", lambda *_: 0),
        "partial answers are complete": setting(Gathered, "complete", True),
    },
    test_gathering.test_a_late_reply_is_an_answer_timeout: {
        "a late reply is another error": setting(gathering, "RemoteTimeout", ZeroDivisionError),
    },
    SUITE.test_one_is_wrong: {
        "answers are not checked": setting(gathering, "misfit", lambda *_: None),
    },
    SUITE.test_the_first_answer: {
        "slow answerers are not cancelled": replaced(Gathering, "_ask", _never_cancelling),
    },
    SUITE.test_a_failure_ends_what_needs_all: {
        "the others are not cancelled": replaced(Gathering, "_ask", _never_cancelling),
    },
    SUITE.test_a_call_that_cannot_work: {
        "a policy is not checked": setting(gathering, "needed_of", lambda *_: 1),
    },
}


class TestFaults(FaultSuite):
    """Broken gathering."""

    mutants = FAULTS
    given = {  # noqa: RUF012 -- declared as a ClassVar in the base class
        "new_requests": lambda: lambda: opened_requests("memory-asyncio", None),  # type: ignore[arg-type]  # not used in memory
        "new_write_store": lambda: InMemory,
        "requests": test_gathering.LateRequests,
    }


MUTANTS: Mutants = {
    "test_one_is_down": {
        "an unknown service is late": at(
            "connection", raising(lambda _: RemoteTimeout("late"), "request", of=NoRemoteService)
        ),
    },
    "test_one_has_stopped": {
        "services are one": at("connection", replacing("request", "serve", service="all")),
    },
}


class TestMutants(MutantSuite):
    """Broken brokers."""

    suite = GatheringSuite
    mutants = MUTANTS
    kinds = REQUESTS
    opener = "new_requests"
    fixtures = ("new_write_store",)
    unbroken = staticmethod(unbroken_requests)
