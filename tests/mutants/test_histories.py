"""Histories that end too early or too late, and stores that return other events than those that are selected."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from tests.mutants.combinators import changing, changing_result
from tests.mutants.core import Fault, Faults, FaultSuite, setting
from tests.mutants.core import replacing as replacing_attribute
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.test_dynamic_boundaries import log
from twofold._writing import history
from twofold.ports import Criterion
from twofold.testing.conformance import HistorySuite

SUITE = HistorySuite()


def ending(excludes: Callable[[Any, Any], bool]) -> Fault:
    """End each history before the first event that a function excludes."""
    return setting(history._Limit, "excludes", excludes)


def _not_by(kind: str) -> Fault:
    """Ignore one kind of limit."""

    def change(original: Callable[..., None]) -> Callable[..., None]:
        def init(limit: Any, *args: Any, **options: Any) -> None:
            original(limit, *args, **options)
            setattr(limit, kind, None)

        return init

    return replacing_attribute(history._Limit, "__init__", change)


def _too_early(limit: Any, stored: Any) -> bool:
    return (limit._version is not None and stored.version >= limit._version) or (
        limit.position is not None and stored.position >= limit.position
    )


async def _first_batch(transaction: Any, criteria: Any, upto: Any = None) -> AsyncGenerator[Any]:
    for stored in await transaction.log.matching(criteria, upto=upto, limit=500):
        yield stored


def _without_tags(criteria: Sequence[Criterion]) -> list[Criterion]:
    return [each._replace(tags=()) for each in criteria]


FAULTS: Faults = {
    SUITE.test_an_aggregate_as_of_a_version: {
        "the version is ignored": _not_by("_version"),
        "the last version is excluded": ending(_too_early),
    },
    SUITE.test_an_aggregate_as_of_a_position: {
        "the position is ignored": _not_by("position"),
        "the event at the position is excluded": ending(_too_early),
    },
    SUITE.test_an_aggregate_as_of_a_time: {
        "the time is ignored": _not_by("_time"),
        "the event at the time is excluded": ending(
            lambda limit, stored: limit._time is not None and stored.time >= limit._time
        ),
    },
    SUITE.test_a_clock_that_went_back: {"a later time does not end the history": _not_by("_time")},
    SUITE.test_a_removed_aggregate: {
        "a removal changes nothing": setting(history, "AggregateRemoved", type("Other", (), {})),
    },
    SUITE.test_events_as_of_a_position: {"events are selected without a position": _not_by("position")},
    SUITE.test_events_are_folded_as_of_a_time: {
        "only the first batch is read": setting(history, "matching", _first_batch),
        "events are selected without a time": _not_by("_time"),
    },
    SUITE.test_a_limit_that_is_not_valid: {
        "any number is accepted": setting(history, "_number", lambda _, value: value)
    },
}


class TestFaults(FaultSuite):
    """Broken histories."""

    mutants = FAULTS


MUTANTS: Mutants = {
    "test_events_as_of_a_position": {
        "tags are ignored": log(changing("matching", criteria=_without_tags)),
        "the order is reversed": log(changing_result("matching", to=lambda found: found[::-1])),
    },
}


class TestMutants(MutantSuite):
    """Stores that return other events than those that are selected."""

    suite = HistorySuite
    mutants = MUTANTS
