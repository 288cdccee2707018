"""A Redis adapter that translates the error of a commit to the wrong outcome."""

from __future__ import annotations

from tests.adapters.redis import test_commits, test_losses
from tests.adapters.redis.conftest import client, prefix, server, store
from tests.adapters.redis.test_commits import wire
from tests.mutants.core import Faults, FaultSuite, replacing, setting
from twofold.errors import TransientFailure
from twofold_redis._commit import commit

__all__ = ("client", "prefix", "server", "store", "wire")


def _transient(found: str) -> TransientFailure:
    return TransientFailure(found)


MUTANTS: Faults = {
    test_commits.test_an_answer_that_stays_away: {
        "an unknown commit is transient": setting(commit, "_unknown", _transient),
        "a lost answer is a refusal": setting(commit, "is_lost", lambda _: False),
    },
    test_commits.test_an_answer_that_comes_too_late: {
        "a late answer is a refusal": replacing(
            commit, "is_lost", lambda original: lambda error: original(error) and "Timeout" not in str(error)
        ),
    },
    test_losses.test_full_memory_changes_nothing: {
        "a refused commit is unknown": setting(commit, "is_lost", lambda _: True),
    },
}


class TestCommits(FaultSuite):
    """Commits on Redis whose outcome is reported wrongly."""

    mutants = MUTANTS
    kinds = ("redis",)
    patience = 10.0
