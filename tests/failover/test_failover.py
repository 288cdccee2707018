"""A replica is promoted that lacks the last commits, while the read models are in another database.

With `-s`, each failover prints the lost events and the report for the operator.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.failover.lab import NEW, Round, failover
from tests.failover.pairs import missing, started


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio; the drivers support no other loop."""
    return "asyncio"


def report(line: str) -> None:
    """Print a row of the table, which pytest shows with `-s`."""
    sys.stdout.write(f"\n{line}")


async def test_no_event_is_taken_for_another(failover_round: Round, tmp_path: Path) -> None:
    """No session misses its own write, the loss is reported, and one command repairs the rows.

    With synchronous replication, no event is lost.
    """
    if programs := missing(failover_round.engine):
        pytest.skip(f"no replication lab: {programs} are not installed")
    with started(failover_round.engine, synchronous=not failover_round.lost) as pair:
        found = await failover(failover_round, pair, tmp_path)
    report(found.line(failover_round))
    assert found.answers["missed"] == 0
    assert set(found.tokens) <= {"refused"}
    assert found.repaired == (("balances",) if failover_round.lost else ())
    assert (found.skipped, found.doubled, found.phantom) == (0, 0, 0)
    assert found.answers.total() == NEW
