"""Stores whose snapshots are broken."""

from __future__ import annotations

from typing import Any

from tests.mutants.combinators import Wrap, changing_result, ignoring, instead, replacing
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import at
from tests.mutants.transactions import commits_anyway
from twofold.ports import Snapshot
from twofold.testing.conformance import SnapshotSuite


async def _put_the_first(snapshots: Any, stream: str, snapshot: Snapshot) -> None:
    if await snapshots.get(stream) is None:
        await snapshots.put(stream, snapshot)


def _snapshots(broken: Wrap) -> Wrap:
    return at("transaction.snapshots", broken)


MUTANTS: Mutants = {
    "test_a_snapshot_survives": {
        "none is kept": _snapshots(ignoring("put")),
        "one for all streams": _snapshots(replacing("get", "put", stream="any")),
    },
    "test_an_older_one_does_not_replace_a_newer": {"the first one stays": _snapshots(instead(put=_put_the_first))},
    "test_a_loaded_aggregate_is_the_same": {
        "a version too low": _snapshots(
            changing_result("get", to=lambda found: found and found._replace(version=found.version - 1))
        )
    },
    "test_a_rollback_keeps_none": {"kept although rolled back": commits_anyway},
}


class TestMutants(MutantSuite):
    """Broken snapshots."""

    suite = SnapshotSuite
    mutants = MUTANTS
