"""Commands that are dispatched later: when they are due, once, and visibly when they fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from twofold import Application, Envelope, Router
from twofold._background.clock import SystemClock
from twofold.errors import TransientFailure
from twofold.ports import ScheduledCommand

from .._domain.audit import stop_at_once
from .._domain.reminders import TWICE, Broken, Promise, Relent, Remind, reminded, reminders, reminding
from .._tools.dial import Dial
from .._tools.in_time import CEILING, WHOLE_TEST, in_time
from .._tools.opened import NewStore, writing
from .._tools.watched import AFTER_COMMIT, AFTER_LOOK_AT_SCHEDULE, BEFORE_COMMIT, BEGIN, watched


@asynccontextmanager
async def started(app: Application) -> AsyncIterator[Application]:
    """Run an application, and fail instead of hanging."""
    with in_time(WHOLE_TEST):
        async with app:
            yield app


async def settled(app: Application) -> None:
    """Let all that is due be done."""
    await app.settle(timeout=CEILING)


class SchedulerSuite:
    """What scheduled commands promise on a store. Needs the fixture `new_store`."""

    async def test_a_command_is_dispatched_when_it_is_due(self, new_store: NewStore) -> None:
        """Not before, in the order of the times, and what was due while nobody was there as soon as somebody is."""
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

    async def test_nobody_has_to_ask(self, new_store: NewStore) -> None:
        """A command for now or for a past time is dispatched at once."""
        done = anyio.Event()

        async def during(_: Remind) -> None:
            done.set()

        dial = Dial()
        async with new_store([]) as store, started(reminders(store, reminding(during), clock=dial)) as app:
            await app.session().schedule(Remind(note="late"), at=dial.after(-3600))
            await done.wait()

    async def test_the_schedule_belongs_to_the_unit_of_work(self, new_store: NewStore) -> None:
        """A handler that fails has scheduled and cancelled nothing; one that succeeds has."""
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
        """A second command with the same id replaces the first; each tenant has its own ids."""
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
        """Three applications that work on one schedule dispatch each of its commands once."""
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

    async def test_another_process_leaves_alone_what_is_handled(self, new_store: NewStore) -> None:
        """A command that one application is handling is not begun by another one that finds it due."""
        dial, handling, found, asked = Dial(), anyio.Event(), set[int](), anyio.Event()

        async def during(_: Remind) -> None:
            handling.set()
            await asked.wait()

        async def ask(now: str, about: str) -> None:
            task = anyio.get_current_task().id  # who finds it due, and not somebody else, begins a transaction for it
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
        """A crash before the commit leaves the command to the next one, a crash after it leaves nothing to do."""
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

    async def test_a_failing_command_is_tried_again_and_holds_nobody_up(self, new_store: NewStore) -> None:
        """It comes again after a pause, others meanwhile; when its tries are used up it stays, and health names it.

        What its error quotes may be no text to a database.
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
            assert [f"'b', failed 2 time(s): {reason}" in each for each in (await app.health()).problems] == [True]
            heals = True
            assert await app.operations.retry_scheduled(stuck)
            await settled(app)
            assert await reminded(store) == ["good", "bad"]
            assert not await app.operations.retry_scheduled(stuck)
            assert (await app.health()).healthy

    async def test_a_failure_of_the_store_does_not_count(self, new_store: NewStore) -> None:
        """However often the store fails while a command is handled, the command is tried again until it is done."""
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

    async def test_what_cannot_be_read_is_kept(self, new_store: NewStore) -> None:
        """A command that this application does not know is shown with the reason, and holds nobody up."""
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

    async def test_who_scheduled_it_is_known(self, new_store: NewStore) -> None:
        """Tenant, trace, headers and the conversation of the message that scheduled a command travel with it."""
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

    async def test_cancelling_meets_dispatching(self, new_store: NewStore) -> None:
        """A command that is cancelled while it is handled has taken effect, and the canceller is told so."""
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
