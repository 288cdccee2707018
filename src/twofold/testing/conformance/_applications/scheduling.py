"""Scheduled commands: dispatched when they are due, once, and visible to operators when they fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone

import anyio
import pytest

from twofold import Application, Envelope, Retry, Router
from twofold._background.clock import SystemClock
from twofold.errors import NotSchedulable, TransientFailure
from twofold.ports import ScheduledCommand

from .._domain.audit import stop_at_once
from .._domain.raising import RAISING, raise_for
from .._domain.reminders import TWICE, Broken, Promise, Relent, Remind, reminded, reminders, reminding
from .._tools.dial import Dial, WrongClock
from .._tools.in_time import CEILING, WHOLE_TEST, in_time
from .._tools.opened import NewStore, writing
from .._tools.problems import problems_of
from .._tools.watched import AFTER_COMMIT, AFTER_LOOK_AT_SCHEDULE, BEFORE_COMMIT, BEGIN, watched
from .scheduling_retries import ScheduledRetries

HOUR = timedelta(hours=1)


@asynccontextmanager
async def started(app: Application) -> AsyncIterator[Application]:
    """Run an application; fail instead of hanging."""
    with in_time(WHOLE_TEST):
        async with app:
            yield app


async def settled(app: Application) -> None:
    """Wait until all due commands have been dispatched."""
    await app.settle(timeout=CEILING)


class SchedulerSuite(ScheduledRetries):
    """The promises of scheduled commands on a store. Needs the fixture `new_store`."""

    async def test_a_command_is_dispatched_when_it_is_due(self, new_store: NewStore) -> None:
        """A command is dispatched when it is due, not before, and in the order of the times.

        Commands that became due while no application ran are dispatched when one starts.
        """
        dial = Dial()
        async with new_store([]) as store:
            async with started(reminders(store, clock=dial)) as app:
                for note, seconds in (("third", 30), ("first", 10), ("second", 20)):
                    await app.session().schedule(Remind(note=note), at=dial.after(seconds))
                await settled(app)
                assert await reminded(store) == []
                dial.time = dial.after(10)
                await settled(app)
                assert await reminded(store) == ["first"]
            dial.time = dial.after(20)
            async with started(reminders(store, clock=dial)) as app:
                await settled(app)
                assert await reminded(store) == ["first", "second", "third"]
                assert await app.operations.scheduled() == []

    async def test_wrong_clocks_of_processes_do_not_matter(self, new_store: NewStore) -> None:
        """A process whose clock is ahead dispatches nothing early. A process whose clock is behind dispatches nothing late.

        The clock of the store decides.
        """
        now = SystemClock().now()
        async with new_store([]) as store:
            async with started(reminders(store, clock=WrongClock(HOUR))) as ahead:
                await ahead.session().schedule(Remind(note="later"), at=now + HOUR / 2)
                await ahead.session().schedule(Remind(note="first"), at=now)
                await settled(ahead)
                assert await reminded(store) == ["first"]
            async with started(reminders(store, clock=WrongClock(-HOUR))) as behind:
                await behind.session().schedule(Remind(note="second"), at=now)
                await settled(behind)
                assert await reminded(store) == ["first", "second"]
                assert [each.attempts for each in await behind.operations.scheduled()] == [0]

    async def test_a_retry_is_due_by_the_clock_of_the_store(self, new_store: NewStore) -> None:
        """A failed command is neither retried early by a process that is ahead, nor postponed by the wrong time."""

        async def during(_: Remind) -> None:
            raise Broken

        retry = Retry(attempts=2, delay=300.0, longest=300.0)
        async with new_store([]) as store:
            now = await store.now()
            for number, clock in enumerate((WrongClock(HOUR), WrongClock(-HOUR)), 1):
                async with started(reminders(store, reminding(during), clock=clock, retry=retry)) as app:
                    await app.session().schedule(Remind(note="bad"), at=now, id=f"{number}")
                    await settled(app)
                    found = await app.operations.scheduled()
                    assert [each.attempts for each in found] == [1] * number
                    for each in found:
                        assert each.again is not None
                        assert abs(each.again - now) < HOUR / 2

    async def test_due_commands_are_dispatched_without_a_call(self, new_store: NewStore) -> None:
        """A command for the present or a past time is dispatched immediately."""
        done = anyio.Event()

        async def during(_: Remind) -> None:
            done.set()

        dial = Dial()
        async with new_store([]) as store, started(reminders(store, reminding(during), clock=dial)) as app:
            await app.session().schedule(Remind(note="late"), at=dial.after(-3600))
            await done.wait()

    async def test_the_schedule_belongs_to_the_unit_of_work(self, new_store: NewStore) -> None:
        """A handler that fails has scheduled and cancelled nothing."""
        dial = Dial()
        async with new_store([]) as store, started(reminders(store, clock=dial)) as app:
            at = dial.after(10)
            with pytest.raises(Broken):
                await app.dispatch(Promise(note="a", at=at, fail=True))
            assert await app.operations.scheduled() == []
            assert await app.dispatch(Promise(note="a", at=at)) == "a"
            with pytest.raises(Broken):
                await app.dispatch(Relent(id="a", fail=True))
            assert [(each.id, each.due) for each in await app.operations.scheduled()] == [("a", at)]
            assert await app.dispatch(Relent(id="a"))
            assert not await app.dispatch(Relent(id="a"))
            dial.time = at
            await settled(app)
            assert await reminded(store) == []

    async def test_an_id_that_is_used_again(self, new_store: NewStore) -> None:
        """A command with an existing id replaces the scheduled one. Each tenant has its own ids."""
        dial = Dial()
        async with new_store([]) as store, started(reminders(store, clock=dial)) as app:
            blue = app.session(tenant="blue")
            await blue.schedule(Remind(note="blue"), at=dial.after(5), id="x")
            await app.session().schedule(Remind(note="old"), at=dial.after(5), id="x")
            await app.session().schedule(Remind(note="new"), at=dial.after(20), id="x")
            dial.time = dial.after(10)
            await settled(app)
            assert await reminded(store) == ["blue"]
            assert not await blue.cancel("x")
            dial.time = dial.after(10)
            await settled(app)
            assert await reminded(store) == ["blue", "new"]

    async def test_many_processes_dispatch_a_command_once(self, new_store: NewStore) -> None:
        """Three applications that share one schedule dispatch each command once."""
        dial, notes = Dial(), [f"{number:02}" for number in range(30)]
        async with new_store([]) as store:
            async with started(reminders(store, clock=dial, work=False)) as app:
                for note in notes:
                    await app.session().schedule(Remind(note=note), at=dial.after(1))
            dial.time = dial.after(1)
            async with (
                started(reminders(store, clock=dial)) as one,
                started(reminders(store, clock=dial)),
                started(reminders(store, clock=dial)),
            ):
                await settled(one)
            assert sorted(await reminded(store)) == notes

    async def test_another_process_skips_commands_that_are_being_handled(self, new_store: NewStore) -> None:
        """A due command that one application is handling is not dispatched by another application."""
        dial, handling, found, asked = Dial(), anyio.Event(), set[int](), anyio.Event()

        async def during(_: Remind) -> None:
            handling.set()
            await asked.wait()

        async def ask(now: str, about: str) -> None:
            task = anyio.get_current_task().id  # that task begins the transaction for the command
            if now == AFTER_LOOK_AT_SCHEDULE and about:
                found.add(task)
            if now == BEGIN and task in found:
                asked.set()

        router = reminding(during)
        async with new_store([]) as store, started(reminders(store, router, clock=dial)) as app:
            await app.session().schedule(Remind(note="a"), at=dial.now())
            await handling.wait()
            async with started(reminders(watched(store, ask), router, clock=dial)) as other:
                await settled(other)
                await settled(app)
                assert await reminded(store) == ["a"]

    async def test_a_crash_around_the_commit(self, new_store: NewStore) -> None:
        """After a crash before the commit, the next application handles the command.

        After a crash after the commit, nothing is due.
        """
        for point in (BEFORE_COMMIT, AFTER_COMMIT):
            crashed, dial = anyio.Event(), Dial()

            async def crash(now: str, about: str, point: str = point, crashed: anyio.Event = crashed) -> None:
                if (now, about) == (point, "note-a"):
                    crashed.set()
                    await anyio.sleep_forever()

            async with new_store([]) as store:
                async with started(reminders(store, clock=dial, work=False)) as app:
                    await app.session().schedule(Remind(note="a"), at=dial.now())
                async with started(reminders(watched(store, crash), clock=dial)) as dying:
                    await crashed.wait()
                    stop_at_once(dying)
                async with started(reminders(store, clock=dial)) as other:
                    await settled(other)
                assert await reminded(store) == ["a"]

    async def test_a_failing_command_is_retried_and_delays_no_other(self, new_store: NewStore) -> None:
        """A failing command is retried after a delay, and other commands continue.

        After its last attempt it stays in the schedule, and health names it. Its error may contain text that a database
        refuses.
        """
        dial, tries, heals = Dial(), list[str](), False
        reason = "Broken: naïve b\\udcff\\x00"

        async def during(command: Remind) -> None:
            if command.note == "bad" and not heals:
                tries.append(command.note)
                raise Broken("naïve b\udcff\x00")

        router = reminding(during)
        async with new_store([]) as store, started(reminders(store, router, clock=dial)) as app:
            await app.session().schedule(Remind(note="bad"), at=dial.after(1), id="b")
            await app.session().schedule(Remind(note="good"), at=dial.after(2))
            dial.time = dial.after(5)
            await settled(app)
            assert await reminded(store) == ["good"]
            assert len(await app.operations.scheduled()) == 1
            (waiting,) = await app.operations.scheduled()
            assert (waiting.attempts, waiting.reason, waiting.again) == (1, reason, dial.after(10))
            assert await app.operations.stuck() == []
            dial.time = dial.after(10)
            await settled(app)
            assert tries == ["bad", "bad"]
            assert len(await app.operations.stuck()) == 1
            (stuck,) = await app.operations.stuck()
            assert (stuck.id, stuck.attempts, stuck.reason, stuck.again) == ("b", 2, reason, None)
            assert [f"'b', failed 2 time(s): {reason}" in each for each in await problems_of(app)] == [True]
            heals = True
            assert await app.operations.retry_scheduled(stuck)
            await settled(app)
            assert await reminded(store) == ["good", "bad"]
            assert not await app.operations.retry_scheduled(stuck)
            assert (await app.health()).healthy

    async def test_a_command_may_raise_anything(self, new_store: NewStore) -> None:
        """A command that raises any exception is stuck after its last attempt, with the reason.

        Others are dispatched in time.
        """

        async def during(command: Remind) -> None:
            raise_for(command.note)

        dial = Dial()
        async with new_store([]) as store, started(reminders(store, reminding(during), clock=dial)) as app:
            for note in (*RAISING, "good"):
                await app.session().schedule(Remind(note=note), at=dial.after(0), id=note)
            for _ in range(2):
                await settled(app)
                assert await reminded(store) == ["good"]
                dial.time = dial.after(3600)
            await settled(app)
            stuck = {each.id: each.reason for each in await app.operations.stuck()}
            assert stuck.keys() == RAISING.keys()
            assert all(stuck.values())
            assert len(await problems_of(app)) == len(stuck)

    async def test_times_that_not_every_store_keeps_are_refused(self, new_store: NewStore) -> None:
        """Times outside of the range of every store are refused with the possible years.

        The first and the last time are stored exactly.
        """
        first, last = datetime(1000, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
        zone = timezone(-timedelta(hours=14))
        refused = [first.replace(year=1), first.replace(year=999), last.replace(year=9999), last + timedelta(days=1)]
        async with new_store([]) as store, started(reminders(store, clock=Dial(), work=False)) as app:
            for time in refused:
                for at in (time, time.replace(tzinfo=zone)):
                    with pytest.raises(NotSchedulable, match="between the years 1000 and 9998"):
                        await app.session().schedule(Remind(note="never"), at=at)
            for time in (last, first):
                await app.session().schedule(Remind(note="kept"), at=time, id=f"{time:%Y}")
            assert [each.due for each in await app.operations.scheduled()] == [first, last]

    async def test_a_failure_of_the_store_does_not_count(self, new_store: NewStore) -> None:
        """A failure of the store does not count as an attempt. The command is retried until it succeeds."""
        clock, left, done = SystemClock(), TWICE.attempts + 1, anyio.Event()

        async def fail(now: str, about: str) -> None:
            nonlocal left
            if (now, about) == (BEFORE_COMMIT, "note-a"):
                left -= 1
                if left:
                    raise TransientFailure("the store is away")
                done.set()

        async with new_store([]) as store, started(reminders(watched(store, fail), clock=clock)) as app:
            await app.session().schedule(Remind(note="a"), at=clock.now())
            await done.wait()
            await settled(app)
            assert await reminded(store) == ["a"]

    async def test_an_unreadable_command_stays_stored(self, new_store: NewStore) -> None:
        """A command that the application cannot decode is listed with the reason, and does not delay others."""
        dial = Dial()
        async with new_store([]) as store:
            async with started(reminders(store, clock=dial, work=False)) as app:
                await app.session().schedule(Remind(note="unknown"), at=dial.now())
                (found,) = await app.operations.scheduled()
                later: ScheduledCommand = found._replace(id="z", name="test.forgotten")
                async with writing(store) as transaction:
                    await transaction.schedule.cancel("", found.id)
                    await transaction.schedule.put(later)
                await app.session().schedule(Remind(note="known"), at=dial.now())
            async with started(reminders(store, clock=dial)) as app:
                await settled(app)
                assert await reminded(store) == ["known"]
                (stuck,) = await app.operations.stuck()
                assert (stuck.id, stuck.attempts) == ("z", 1)
                assert "UndecodableCommand: cannot read the stored command 'test.forgotten'" in stuck.reason

    async def test_a_scheduled_command_keeps_its_cause(self, new_store: NewStore) -> None:
        """A scheduled command carries the tenant, trace, headers and correlation id of the message that scheduled it."""
        dial, envelopes = Dial(), list[Envelope[Remind]]()
        router = reminding(envelopes=envelopes)
        async with new_store([]) as store, started(reminders(store, router, clock=dial)) as app:
            session = app.session(tenant="blue", trace={"traceparent": "00-1"}, headers={"who": "é"})
            await session.dispatch(Promise(note="a", at=dial.now()))
            await settled(app)
            (envelope,) = envelopes
            assert (envelope.tenant, envelope.trace, envelope.headers) == (
                "blue",
                {"traceparent": "00-1"},
                {"who": "é"},
            )
            assert envelope.correlation_id == envelope.causation_id != envelope.id

    async def test_cancelling_and_dispatching_are_concurrent(self, new_store: NewStore) -> None:
        """Cancelling a command while it is handled waits for the handler and returns False.

        The command takes effect.
        """
        dial, handling, go_on = Dial(), anyio.Event(), anyio.Event()
        answers: list[bool] = []

        async def during(_: Remind) -> None:
            handling.set()
            await go_on.wait()

        async def cancel(app: Application) -> None:
            answers.append(await app.session().cancel("a"))

        router: Router = reminding(during)
        async with (
            new_store([]) as store,
            started(reminders(store, router, clock=dial)) as app,
            started(reminders(store, clock=dial, work=False)) as other,
        ):
            await app.session().schedule(Remind(note="a"), at=dial.now(), id="a")
            await handling.wait()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cancel, other)
                await anyio.wait_all_tasks_blocked()
                assert answers == []
                go_on.set()
            assert answers == [False]
            await settled(app)
            assert await reminded(store) == ["a"]
