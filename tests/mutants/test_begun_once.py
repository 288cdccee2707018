"""Repositories that report an aggregate that was added or removed meanwhile with the wrong error."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tests.mutants.core import Fault, Faults, FaultSuite, setting
from tests.stores import STORES
from twofold._writing.storage import WriteSide
from twofold.errors import AggregateExists, ConcurrencyConflict
from twofold.testing.conformance import RepositorySuite

SUITE = RepositorySuite()


async def _exists(_: Any, stream: str, missing: Collection[str], exists: AggregateExists) -> Exception:
    return exists


async def _conflict(_: Any, stream: str, missing: Collection[str], exists: AggregateExists) -> Exception:
    return ConcurrencyConflict(stream, expected=0, actual=1)


async def _removed_too(_: Any, stream: str, missing: Collection[str], exists: AggregateExists) -> Exception:
    return exists if stream not in missing else ConcurrencyConflict(stream, expected=0, actual=1)


def reporting(added_before: Any) -> Fault:
    """Replace the choice between `AggregateExists` and `ConcurrencyConflict`."""
    return setting(WriteSide, "_added_before", added_before)


FAULTS: Faults = {
    SUITE.test_get_or_begin_begins_once: {
        "an aggregate begun meanwhile exists, and no repeat gets it": reporting(_exists)
    },
    SUITE.test_commands_that_found_no_aggregate_all_succeed_with_retries: {
        "an aggregate added after find exists, and no repeat finds it": reporting(_exists)
    },
    SUITE.test_get_or_begin_does_not_begin_a_removed_aggregate: {
        "a removed aggregate is a conflict, and repeated": reporting(_removed_too)
    },
    SUITE.test_one_of_several_additions_of_one_id_succeeds: {
        "an aggregate that was not looked for is a conflict": reporting(_conflict)
    },
}


class TestFaults(FaultSuite):
    """Wrong errors for aggregates that were added or removed meanwhile."""

    mutants = FAULTS
    kinds = STORES
