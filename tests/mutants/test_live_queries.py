"""Stores whose state does not show that rows have changed, so that live queries miss the change."""

from __future__ import annotations

from typing import Any

from tests.mutants.checkpoints import forgetting_parked
from tests.mutants.combinators import Wrap, for_each, instead
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import at
from twofold.ports import EventLog, Position
from twofold.testing.conformance import LiveQuerySuite


def _remembering_the_head(_: Any) -> Wrap:
    heads: list[Position] = []

    async def head(log: EventLog) -> Position:
        heads.append(await log.head())
        return heads[0]

    return at("log", instead(head=head))


MUTANTS: Mutants = {
    "test_a_retried_event_is_a_change": {"the number of parked events is forgotten": forgetting_parked},
    "test_inline_projections_count": {"the head of the log stands still": for_each(_remembering_the_head)},
}


class TestMutants(MutantSuite):
    """Stores on which live queries miss changes."""

    suite = LiveQuerySuite
    mutants = MUTANTS
