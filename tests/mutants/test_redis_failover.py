"""A Redis that was replaced by a lagging replica, and readers and a relay that do not notice."""

from __future__ import annotations

from tests.failover import test_redis
from tests.failover.test_redis import pair
from tests.mutants.core import Faults, FaultSuite, choosing, setting
from tests.mutants.relays import resuming_only
from twofold_redis import Redis

__all__ = ("pair",)


async def _one_run(_: Redis) -> str:
    return "1"


FAULTS: Faults = {
    test_redis.test_a_session_sees_no_older_row_before_its_projection_notices: {
        "the run of Redis never changes": setting(Redis, "run", _one_run),
    },
    choosing(test_redis.test_lost_entries_are_relayed_again, restarted=False): {
        "a stream that lost entries gets the next ones": resuming_only,
    },
}


class TestRedisFailover(FaultSuite):
    """Lost rows are taken for those that were seen, and lost entries for delivered ones."""

    mutants = FAULTS
    kinds = ("redis",)
    before = setting(test_redis, "CEILING", 15.0)
    patience = 15.0
