"""Schedules that lose, keep or repeat entries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.mutants.combinators import Wrap, changing, changing_result, ignoring, instead, replacing
from tests.mutants.places import at
from twofold.ports import ScheduledCommand


def scheduling(broken: Wrap) -> Wrap:
    """Break the schedule of every transaction."""
    return at("transaction.schedule", broken)


def putting(change: Any) -> Wrap:
    """Store other entries than those that are given."""
    return scheduling(changing("put", command=change))


async def _put_at_the_first_time(schedule: Any, command: ScheduledCommand) -> None:
    if await schedule.cancel(command.tenant, command.id):
        sooner = command.due - timedelta(seconds=15)
        command = command._replace(due=sooner, again=sooner)
    await schedule.put(command)


async def _put_in_place_of_any_tenants(schedule: Any, command: ScheduledCommand) -> None:
    await schedule.cancel("blue" if not command.tenant else "", command.id)
    await schedule.put(command)


async def _try_always(schedule: Any, command: ScheduledCommand, *, again: Any, **why: Any) -> Any:
    return await schedule.postpone(command, again=again or command.due + timedelta(hours=2), **why)


keeping_the_first_time = scheduling(instead(put=_put_at_the_first_time))
sharing_ids = scheduling(instead(put=_put_in_place_of_any_tenants))
taking_again = scheduling(changing_result("take", to=lambda _: True))
cancelling_nothing = scheduling(ignoring("cancel", returning=True))
saying_it_was_there = scheduling(changing_result("cancel", to=lambda _: True))
trying_always = scheduling(instead(postpone=_try_always))
losing_reasons = scheduling(replacing("postpone", reason=""))
losing_attempts = scheduling(replacing("postpone", attempts=0))
