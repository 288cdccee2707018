"""Faults at the boundaries of an application: cached answers, times of scheduled commands, and the relay."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from tests.adapters.sqlalchemy import test_damaged_schedule
from tests.adapters.sqlalchemy.conftest import database, engine, store
from tests.application import test_answer_values, test_scheduler
from tests.application.cache import test_failovers, test_failures, test_key_values
from tests.mutants.core import Faults, FaultSuite, at_once, choosing, replacing, setting
from tests.mutants.relays import publishing_once, resuming_only, staying, trusting
from tests.stores import STORES
from tests.transport import test_relay
from twofold._application import timers
from twofold._caching import answers, key_values, pipeline
from twofold._dispatch import scheduler
from twofold._encoding.round_trip import RoundTrip
from twofold.testing.conformance import SchedulerSuite
from twofold.testing.conformance._applications import scheduling
from twofold_memory import InMemory, InMemoryCache

__all__ = ("database", "engine", "store")


async def _nothing(*_: object, **__: object) -> None:
    """Do nothing."""


async def _true(*_: object) -> bool:
    return True


def _never_if_damaged(left: Any) -> Any:
    return lambda entry, now: left(entry, now) if isinstance(entry.again, datetime) else math.inf


def _only_texts(value: Any) -> str:
    return str(value)


CACHES = {"store": InMemoryCache}
WRITE_STORES = {"here": InMemory, "there": InMemory}

CACHE: Faults = {
    test_failures.test_an_unreadable_answer_is_loaded_and_removed: {
        "an unreadable answer stays": setting(answers.Answers, "discard", _nothing),
    },
    test_failovers.test_an_answer_of_lost_events_is_dropped: {
        "answers of lost events stay": at_once(
            setting(pipeline.Caching, "_is_of_this_log", _true), setting(InMemoryCache, "invalidate_queries", _nothing)
        ),
    },
    test_answer_values.test_cached_answers: {
        "an answer that JSON changes is cached": setting(RoundTrip, "comes_back", lambda *_: True),
    },
    test_key_values.test_an_event_finds_the_answer_of_an_equal_value: {
        "equal values have different keys": setting(key_values, "plain", lambda value: value),
    },
    test_key_values.test_other_values_have_other_keys: {
        "keys are the texts of values": setting(test_key_values, "percent_encoded", _only_texts),
    },
}

SCHEDULE: Faults = {
    SchedulerSuite().test_times_that_not_every_store_keeps_are_refused: {
        "every year is accepted": setting(scheduler, "STORED_YEARS", range(1, 10_000)),
    },
    test_scheduler.test_a_command_that_cannot_be_stored_is_refused: {
        "a time without a zone is one of this machine": setting(scheduler, "_in_utc", lambda _, at: at.astimezone(UTC)),
    },
    test_scheduler.test_other_time_zones_are_understood: {
        "zones are ignored": setting(scheduler, "_in_utc", lambda _, at: at.replace(tzinfo=UTC)),
    },
}

DAMAGED: Faults = {
    choosing(test_damaged_schedule.test_a_damaged_time_is_stuck_alone, value=""): {
        "a damaged time is never due": replacing(timers, "time_left", _never_if_damaged),
        "a damaged time is due and valid": setting(timers, "_check_time", lambda _: None),
    },
}

RELAY: Faults = {
    test_relay.test_what_the_broker_has_lost_is_published_again: {
        "the checkpoint of the relay does not move back": staying,
        "a broker that lost events gets the next ones": resuming_only,
        "an event is published once only": publishing_once,
    },
    test_relay.test_the_relay_waits_for_an_operator_if_both_servers_have_lost_events: {
        "the event of a report is not verified": trusting,
    },
}


class TestCache(FaultSuite):
    """Cached answers that are unreadable, outdated, changed, or of another query."""

    mutants = CACHE
    given = CACHES


class TestSchedule(FaultSuite):
    """Times that no store keeps, or that mean another instant."""

    mutants = SCHEDULE
    kinds = STORES


class TestDamagedSchedule(FaultSuite):
    """A schedule that an unreadable time of one entry stops."""

    mutants = DAMAGED
    kinds = ("sqlite",)
    before = setting(scheduling, "CEILING", 3.0)


class TestRelay(FaultSuite):
    """A relay that does not repeat what a broker has lost."""

    mutants = RELAY
    given = WRITE_STORES
    before = setting(test_relay, "CEILING", 3.0)
