"""A Redis adapter that translates the error of a commit to the wrong outcome, or waits for a silent server."""

from __future__ import annotations

from tests.adapters.redis import test_commits, test_losses, test_silent_server
from tests.adapters.redis.conftest import client, prefix, server, store
from tests.adapters.redis.test_commits import wire
from tests.adapters.redis.test_silent_server import network
from tests.mutants.core import Faults, FaultSuite, replacing, setting
from twofold.errors import TransientFailure
from twofold_redis._commit import commit
from twofold_redis._server.server import Server

__all__ = ("client", "network", "prefix", "server", "store", "wire")


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


SILENT: Faults = {
    test_silent_server.test_a_read_ends_in_time: {
        "a read waits forever": replacing(
            Server, "__init__", lambda init: lambda self, client, **_: init(self, client, seconds=None)
        ),
    },
}


class TestSilentServers(FaultSuite):
    """Reads from a silent Redis."""

    mutants = SILENT
    kinds = ("redis",)
    before = setting(test_silent_server, "SOON", 6.0)


class TestCommits(FaultSuite):
    """Commits on Redis whose outcome is reported wrongly."""

    mutants = MUTANTS
    kinds = ("redis",)
    patience = 10.0
