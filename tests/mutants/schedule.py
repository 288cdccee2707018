"""Stores whose schedule is broken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from datetime import timedelta
from typing import Any
from unicodedata import normalize

from twofold.errors import ReadOnlyUnitOfWork
from twofold.ports import ScheduledCommand

from .broken import Around, appending, break_store, commits_anyway
from .mutant import Mutant


class Coarse(Around):
    """Keeps whole seconds."""

    async def put_scheduled(self, command: ScheduledCommand) -> None:
        await self.inner.put_scheduled(command._replace(due=command.due.replace(microsecond=0)))


class Plain(Around):
    """Keeps nothing but ASCII."""

    async def put_scheduled(self, command: ScheduledCommand) -> None:
        await self.inner.put_scheduled(command._replace(data=command.data.encode("ascii", "replace").decode()))


class KeepsTime(Around):
    """Keeps the time for which something was scheduled under an id first."""

    async def put_scheduled(self, command: ScheduledCommand) -> None:
        if await self.inner.unschedule(command.tenant, command.id):
            sooner = command.due - timedelta(seconds=15)
            command = command._replace(due=sooner, again=sooner)
        await self.inner.put_scheduled(command)


class OneTenant(Around):
    """Gives all tenants the same ids."""

    async def put_scheduled(self, command: ScheduledCommand) -> None:
        await self.inner.unschedule("blue" if not command.tenant else "", command.id)
        await self.inner.put_scheduled(command)


class TakesAgain(Around):
    """Says of every entry that it was there."""

    async def take_scheduled(self, command: ScheduledCommand) -> bool:
        await self.inner.take_scheduled(command)
        return True


class TakesById(Around):
    """Takes whatever stands under the id."""

    async def take_scheduled(self, command: ScheduledCommand) -> Any:
        return await self.inner.unschedule(command.tenant, command.id)


class LeavesIt(Around):
    """Takes an entry and leaves it where it is."""

    async def take_scheduled(self, command: ScheduledCommand) -> bool:
        return True


class CancelsNothing(Around):
    """Says that it removed an entry, and does not."""

    async def unschedule(self, tenant: str, id: str) -> bool:
        return True


class SaysYes(Around):
    """Says of every entry that it removed it."""

    async def unschedule(self, tenant: str, id: str) -> bool:
        await self.inner.unschedule(tenant, id)
        return True


class SaysNo(Around):
    """Says of no entry that it removed it."""

    async def unschedule(self, tenant: str, id: str) -> bool:
        await self.inner.unschedule(tenant, id)
        return False


class NeverLater(Around):
    """Does not postpone."""

    async def postpone(self, command: ScheduledCommand, **_: Any) -> bool:
        return True


class NeverStuck(Around):
    """Tries a command again that is to be left alone."""

    async def postpone(self, command: ScheduledCommand, *, again: Any, **why: Any) -> Any:
        return await self.inner.postpone(command, again=again or command.due + timedelta(hours=2), **why)


class NoReason(Around):
    """Loses why a command failed."""

    async def postpone(self, command: ScheduledCommand, *, reason: str, **when: Any) -> Any:
        return await self.inner.postpone(command, reason="", **when)


class NotCounted(Around):
    """Loses how often a command failed."""

    async def postpone(self, command: ScheduledCommand, *, attempts: int, **when: Any) -> Any:
        return await self.inner.postpone(command, attempts=0, **when)


class NoSavepoint(Around):
    """Undoes no savepoint."""

    def savepoint(self) -> Any:
        return nullcontext()


class Quiet(Around):
    """Loses what a transaction that only reads is told to change."""

    async def put_scheduled(self, command: ScheduledCommand) -> None:
        with suppress(ReadOnlyUnitOfWork):
            await self.inner.put_scheduled(command)


class Shuffled(Around):
    """Returns entries in the order of their ids."""

    async def scheduled(self, *, limit: int) -> Sequence[ScheduledCommand]:
        return sorted(await self.inner.scheduled(limit=limit), key=lambda each: each.id)


class Unlimited(Around):
    """Returns all entries."""

    async def scheduled(self, *, limit: int) -> Any:
        return await self.inner.scheduled(limit=1000)


class InOrderOfDue(Around):
    """Returns entries in the order in which they were due at first."""

    async def scheduled(self, *, limit: int) -> Sequence[ScheduledCommand]:
        return sorted(await self.inner.scheduled(limit=limit), key=lambda each: each.due)


class StuckBackwards(Around):
    """Returns what is stuck the last one first."""

    async def stuck(self, *, limit: int) -> Sequence[ScheduledCommand]:
        return [*reversed(await self.inner.stuck(limit=limit))]


def confusing(confuse: Callable[[str], str]) -> Callable[[Any], Any]:
    """Return what makes one id of several."""

    class Confusing(Around):
        async def put_scheduled(self, command: ScheduledCommand) -> None:
            tenant, name = confuse(command.tenant), confuse(command.id)
            await self.inner.put_scheduled(command._replace(tenant=tenant, id=name))

        async def unschedule(self, tenant: str, id: str) -> Any:
            return await self.inner.unschedule(confuse(tenant), confuse(id))

    return Confusing


def _step(name: str, part: Callable[[Any], Any], killed_by: str) -> Mutant:
    return Mutant(name, killed_by, appending(part))


EXACT, SAVED = "test_ids_are_exact", "test_changes_go_with_their_transaction"
SAME, LATER = "test_an_entry_comes_back_as_it_was", "test_what_is_postponed_comes_later_or_not_by_itself"
ORDER, TAKEN = "test_entries_come_in_order", "test_only_this_very_entry_is_taken"
GONE, RACE = "test_what_is_removed_is_gone", "test_one_of_several_takes_an_entry"
MEETS = "test_who_removes_waits_for_who_takes"

SCHEDULE = (
    _step("times are coarse", Coarse, SAME),
    _step("text is ASCII", Plain, SAME),
    _step("the first time stays", KeepsTime, "test_an_id_holds_one_entry"),
    _step("tenants share ids", OneTenant, "test_an_id_holds_one_entry"),
    _step("case does not count", confusing(str.lower), EXACT),
    _step("a space at the end does not count", confusing(str.rstrip), EXACT),
    _step("accents are composed", confusing(lambda name: normalize("NFC", name)), EXACT),
    _step("long ids are cut", confusing(lambda name: name[:199]), EXACT),
    _step("nothing is cancelled", CancelsNothing, GONE),
    _step("every cancelling succeeds", SaysYes, GONE),
    _step("no cancelling succeeds", SaysNo, GONE),
    _step("an entry is taken again", TakesAgain, TAKEN),
    _step("another entry is taken", TakesById, TAKEN),
    _step("a taken entry stays", LeavesIt, RACE),
    _step("several take an entry", TakesAgain, RACE),
    _step("cancelling does not wait", CancelsNothing, MEETS),
    _step("cancelling does not look again", SaysYes, MEETS),
    _step("savepoints keep changes", NoSavepoint, SAVED),
    Mutant("rollbacks keep changes", SAVED, commits_anyway),
    _step("nothing is postponed", NeverLater, LATER),
    _step("nothing is left alone", NeverStuck, LATER),
    _step("reasons are lost", NoReason, LATER),
    _step("attempts are lost", NotCounted, LATER),
    Mutant("what is postponed keeps its place", LATER, break_store(InOrderOfDue)),
    Mutant("what is stuck comes backwards", LATER, break_store(StuckBackwards)),
    Mutant("entries come in no order", ORDER, break_store(Shuffled)),
    Mutant("entries come all at once", ORDER, break_store(Unlimited)),
    _step("a reader schedules quietly", Quiet, "test_changes_need_a_transaction_that_writes"),
)
"""Each is killed by the named test of `ScheduleSuite`."""

FAILING = "test_a_failing_command_is_tried_again_and_holds_nobody_up"

SCHEDULING = (
    _step("an entry is taken again", TakesAgain, "test_another_process_leaves_alone_what_is_handled"),
    _step("nothing is left alone", NeverStuck, FAILING),
    _step("attempts are lost", NotCounted, FAILING),
    _step("reasons are lost", NoReason, FAILING),
    _step("tenants share ids", OneTenant, "test_an_id_that_is_used_again"),
    _step("the first time stays", KeepsTime, "test_an_id_that_is_used_again"),
    _step("nothing is cancelled", CancelsNothing, "test_the_schedule_belongs_to_the_unit_of_work"),
    _step("every cancelling succeeds", SaysYes, "test_cancelling_meets_dispatching"),
    Mutant("rollbacks keep changes", "test_the_schedule_belongs_to_the_unit_of_work", commits_anyway),
)
"""Each is killed by the named test of `SchedulerSuite`."""
