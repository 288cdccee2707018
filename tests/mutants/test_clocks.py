"""Applications that decide by the clock of their process what is due in a store."""

from __future__ import annotations

from datetime import datetime

from tests.mutants.core import Faults, FaultSuite, setting
from tests.stores import STORES
from twofold._application import timers
from twofold._subscriptions import decoded_log
from twofold.ports import Clock, ReadStore
from twofold.testing.conformance import SchedulerSuite, SubscriptionSuite


async def _of_the_process(_: ReadStore, clock: Clock) -> datetime:
    return clock.now()


by_the_process = setting(timers, "time_of", _of_the_process)
retrying_by_the_process = setting(decoded_log, "time_of", _of_the_process)

FAULTS: Faults = {
    SchedulerSuite().test_wrong_clocks_of_processes_do_not_matter: {
        "commands are due by the clock of the process": by_the_process
    },
    SchedulerSuite().test_a_retry_is_due_by_the_clock_of_the_store: {
        "commands are retried by the clock of the process": by_the_process
    },
    SubscriptionSuite().test_a_retry_is_not_early_for_a_process_whose_clock_is_ahead: {
        "events are retried early": retrying_by_the_process
    },
    SubscriptionSuite().test_a_retry_is_not_late_for_a_process_whose_clock_is_behind: {
        "events are retried late": retrying_by_the_process
    },
}


class TestClocks(FaultSuite):
    """The clock of the process decides."""

    mutants = FAULTS
    kinds = STORES
