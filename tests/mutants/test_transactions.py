"""Stores whose transactions are broken."""

from __future__ import annotations

from typing import Any

from tests.mutants.combinators import both, for_each, instead, suppressing
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.logs import unchecked
from tests.mutants.places import at
from tests.mutants.transactions import commits_anyway, commits_events_early, leaves_savepoints
from twofold.errors import UnitOfWorkDoomed
from twofold.ports import WriteTransaction
from twofold.testing.conformance import TransactionSuite


async def _commit_what_is_doomed(transaction: WriteTransaction) -> None:
    try:
        await transaction.commit()
    except UnitOfWorkDoomed:
        await transaction.rollback()


def _hiding_own_events(store: Any) -> Any:
    return at("writing.log", instead(read=lambda _, stream, *, after=0: store.log.read(stream, after=after)))


MUTANTS: Mutants = {
    "test_a_rollback_keeps_nothing": {"rollback commits": commits_anyway},
    "test_a_commit_keeps_everything": {"commits early": commits_events_early},
    "test_a_failure_in_the_middle_keeps_nothing": {
        "half is kept": commits_events_early,
        "conflict hidden": unchecked,
    },
    "test_a_broken_transaction_can_only_be_rolled_back": {
        "goes on after an error": both(
            at("transaction.log", suppressing(UnitOfWorkDoomed, "append", returning=())),
            at("transaction", instead(commit=_commit_what_is_doomed)),
        )
    },
    "test_an_undone_savepoint": {"savepoint not undone": leaves_savepoints},
    "test_own_events_are_seen": {"own events hidden": for_each(_hiding_own_events)},
}


class TestMutants(MutantSuite):
    """Broken transactions."""

    suite = TransactionSuite
    mutants = MUTANTS
