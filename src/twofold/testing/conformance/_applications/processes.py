"""Processes: sagas that react to events, replies and timeouts, and compensate their steps."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from twofold import Application, Command, Flow, Process, Router, UnitOfWork, starts

from .._domain.fulfilment import (
    NAME,
    UNPAID,
    Handlers,
    Order,
    OutOfStock,
    Pay,
    Reject,
    Undeclared,
    effects,
    fulfilling,
    fulfilment,
    shop,
)
from .._tools.dial import Dial, WrongClock
from .._tools.in_time import CEILING, WHOLE_TEST, in_time, until
from .._tools.opened import NewStore
from .process_changes import ProcessChanges, only
from .process_discards import ProcessDiscards
from .process_interruptions import ProcessInterruptions

HOUR = timedelta(hours=1)


async def settled(app: Application) -> None:
    """Wait until every input was handled."""
    await app.settle(timeout=CEILING)


async def state_of(app: Application, order_id: str) -> str:
    """Return the state of the process of an order."""
    return (await app.operations.process(NAME, order_id)).state


async def timed_out(app: Application, dial: Dial) -> None:
    """Let the timeout of an order become due, and wait until it is recorded, while the process is paused."""
    dial.time += UNPAID
    services = app._started().assembly.services

    async def is_recorded() -> bool:
        services.scheduled.send()
        return not [each for each in await app.operations.scheduled() if each.due <= dial.now()]

    await until(is_recorded, "the timeout was to be recorded")


class ProcessSuite(ProcessInterruptions, ProcessChanges, ProcessDiscards):
    """The promises of processes on a store. Needs the fixture `new_store`."""

    async def test_from_start_to_completion(self, new_store: NewStore) -> None:
        """An event starts a process. A reply continues it, and an event that is correlated by another field completes it."""
        async with new_store([]) as store:
            with in_time(WHOLE_TEST):
                async with shop(store, fulfilling(Handlers(), partitions=4)) as app:
                    for order_id in "abcdef":
                        await app.dispatch(Order(order_id=order_id))
                    await settled(app)
                    assert {await state_of(app, order_id) for order_id in "abcdef"} == {"waiting"}
                    await app.dispatch(Pay(order_id="a"))
                    await settled(app)
                    found = await app.operations.process(NAME, "a")
                    counts = await app.operations.process_counts()
            assert (found.state, found.fields["reservation"]) == ("completed", "reservation of a")
            assert counts == {(NAME, "completed"): 1, (NAME, "waiting"): 5}
            assert [await effects(store, order_id) for order_id in "ab"] == [["reserve", "charge"]] * 2
            assert len(await store.schedule.next(limit=9)) == 5  # the timeout of an ended process is cancelled

    async def test_an_input_delivered_twice(self, new_store: NewStore) -> None:
        """A process that reads every input a second time repeats no command."""
        async with new_store([]) as store:
            with in_time(WHOLE_TEST):
                async with shop(store, fulfilling(Handlers())) as app:
                    for command in (Order, Pay, Pay):
                        await app.dispatch(command(order_id="a"))
                        await settled(app)
                        await app.operations.replay(NAME, after=0)
                        await settled(app)
                    assert await state_of(app, "a") == "completed"
            assert await effects(store, "a") == ["reserve", "charge"]

    async def test_two_inputs_at_once(self, new_store: NewStore) -> None:
        """Of two inputs at the same time, the one that is first in the event log decides, with two workers, too."""
        async with new_store([]) as store:
            with in_time(WHOLE_TEST):
                async with shop(store, fulfilling(Handlers())) as app, shop(store, fulfilling(Handlers())) as other:
                    for number in range(6):
                        order_id = f"o{number}"
                        await app.dispatch(Order(order_id=order_id))
                        await settled(app)
                        async with anyio.create_task_group() as tasks:
                            tasks.start_soon(_dispatch, app, Pay(order_id=order_id))
                            tasks.start_soon(_dispatch, other, Reject(order_id=order_id))
                        await settled(app)
                        events = [event.name async for event in store.log.read(f"order-{order_id}")]
                        is_paid = events[1] == "test.paid"
                        undone = [] if is_paid else ["refund", "release"]
                        assert await state_of(app, order_id) == ("completed" if is_paid else "failed")
                        assert await effects(store, order_id) == ["reserve", "charge", *undone]

    async def test_an_input_before_the_start_or_after_the_end(self, new_store: NewStore) -> None:
        """An input without a running process is ignored: before its start, and after its end."""
        async with new_store([]) as store:
            with in_time(WHOLE_TEST):
                async with shop(store, fulfilling(Handlers())) as app:
                    for command in (Pay, Order):
                        await app.dispatch(command(order_id="a"))
                        await settled(app)
                    assert await state_of(app, "a") == "waiting"
                    for late in (Pay, Reject):
                        await app.dispatch(late(order_id="a"))
                        await settled(app)
                    assert await state_of(app, "a") == "completed"
                    assert {each.parked for each in await app.operations.status()} == {0}
            assert await effects(store, "a") == ["reserve", "charge"]

    async def test_an_id_that_is_used_again(self, new_store: NewStore) -> None:
        """After its end, a key starts another process. That one does not receive the timeout of its predecessor."""
        dial = Dial()
        async with new_store([]) as store:
            with in_time(WHOLE_TEST):
                async with shop(store, fulfilling(Handlers()), clock=dial) as app:
                    await app.dispatch(Order(order_id="a"))
                    await settled(app)
                    first = await app.operations.process(NAME, "a")
                    await app.operations.pause(NAME)
                    await app.dispatch(Pay(order_id="a"))
                    await app.dispatch(Order(order_id="a"))
                    await timed_out(app, dial)
                    await app.operations.resume(NAME)
                    await settled(app)
                    second = await app.operations.process(NAME, "a")
            assert first.incarnation != second.incarnation
            assert (second.state, second.timeouts) == ("waiting", ("unpaid",))
            assert await effects(store, "a") == ["reserve", "charge"] * 2

    @pytest.mark.parametrize("first", ["timeout", "payment"])
    async def test_a_timeout_at_the_moment_of_completion(self, new_store: NewStore, first: str) -> None:
        """A timeout runs only if the process still waits, in both orders, with a restart in between."""
        dial = Dial()
        async with new_store([]) as store:
            with in_time(WHOLE_TEST):
                async with shop(store, fulfilling(Handlers()), clock=dial) as app:
                    await app.dispatch(Order(order_id="a"))
                    await settled(app)
                    await app.operations.pause(NAME)
                    if first == "payment":
                        await app.dispatch(Pay(order_id="a"))
                    await timed_out(app, dial)
                    if first == "timeout":
                        await app.dispatch(Pay(order_id="a"))
                async with shop(store, fulfilling(Handlers()), clock=dial) as app:
                    await app.operations.resume(NAME)
                    await settled(app)
                    assert await state_of(app, "a") == ("completed" if first == "payment" else "failed")
            undone = [] if first == "payment" else ["refund", "release"]
            assert await effects(store, "a") == ["reserve", "charge", *undone]

    async def test_a_clock_that_jumps(self, new_store: NewStore) -> None:
        """The clock of the store decides when a timeout is due, and not the clock of a process."""
        async with new_store([]) as store:
            for ahead in (HOUR, -HOUR):
                order_id = f"due {ahead}"
                with in_time(WHOLE_TEST):
                    async with shop(store, fulfilling(Handlers()), clock=WrongClock(ahead)) as app:
                        await app.dispatch(Order(order_id=order_id))
                        await settled(app)
                        assert await state_of(app, order_id) == "waiting"
                        due = (await store.schedule.next(limit=9))[-1].due - await store.now()
                        assert UNPAID / 2 < due <= UNPAID
            soon = fulfilling(Handlers(), fulfilment(timedelta()))
            with in_time(WHOLE_TEST):
                async with shop(store, soon, clock=WrongClock(-HOUR)) as app:
                    await app.dispatch(Order(order_id="soon"))
                    await until(lambda: _has_failed(app, "soon"), "the timeout was to be due")

    async def test_compensations_run_in_reverse_order(self, new_store: NewStore) -> None:
        """The compensations of completed steps run in reverse order. A step that was never completed is not undone."""
        handlers = Handlers(failing={("reserve", "b"): OutOfStock})
        async with new_store([]) as store:
            with in_time(WHOLE_TEST):
                async with shop(store, fulfilling(handlers)) as app:
                    for order_id in "ab":
                        await app.dispatch(Order(order_id=order_id))
                    await settled(app)
                    await app.dispatch(Reject(order_id="a"))
                    await settled(app)
                    found = [await app.operations.process(NAME, order_id) for order_id in "ab"]
            assert [(each.state, each.reason) for each in found] == [("failed", "rejected"), ("failed", "out of stock")]
            assert await effects(store, "a") == ["reserve", "charge", "refund", "release"]
            assert await effects(store, "b") == []

    async def test_a_command_that_was_not_executed_is_dropped(self, new_store: NewStore) -> None:
        """A process that is compensated before its command was executed never executes it."""
        async with new_store([]) as store:
            with in_time(WHOLE_TEST):
                async with shop(store, fulfilling(Handlers())) as app:
                    await app.operations.pause(NAME)
                    for command in (Order, Reject, Order, Pay):
                        await app.dispatch(command(order_id="a"))
                    await app.operations.resume(NAME)
                    await settled(app)
                    assert await state_of(app, "a") == "completed"
            assert await effects(store, "a") == [
                "reserve"
            ]  # of the second process, which was completed before its reply

    async def test_a_compensation_that_fails_is_stuck(self, new_store: NewStore) -> None:
        """A failing compensation is retried, and then stuck and visible. A retry of an operator continues.

        The repeated command has the same idempotency key.
        """
        handlers = Handlers(failing={("refund", "a"): Undeclared})
        async with new_store([]) as store:
            with in_time(WHOLE_TEST):
                async with shop(store, fulfilling(handlers)) as app:
                    for order_id in "ab":
                        await app.dispatch(Order(order_id=order_id))
                    await settled(app)
                    for order_id in "ab":
                        await app.dispatch(Reject(order_id=order_id))
                    await settled(app)
                    stuck = only(await app.operations.processes(state="compensation_stuck"))
                    assert (stuck.key, stuck.reason) == ("a", "Undeclared: refund")
                    assert stuck.compensations == ("test.refund", "test.release")
                    assert [each.code for each in (await app.health()).problems] == ["process_stuck"]
                    assert await state_of(app, "b") == "failed"
                    handlers.failing.clear()
                    assert await app.operations.retry_process(NAME, "a")
                    await settled(app)
                    assert not await app.operations.retry_process(NAME, "a")
                    assert (await app.operations.process(NAME, "a")).reason == "rejected"
            assert await effects(store, "a") == ["reserve", "charge", "refund", "release"]
        keys = handlers.keys["refund", "a"]
        assert (len(keys), len(set(keys))) == (3, 1)

    async def test_an_error_without_a_method_parks_the_key(self, new_store: NewStore) -> None:
        """A command with an undeclared error is retried and then parked, with later inputs of its key. Others continue."""
        handlers = Handlers(failing={("reserve", "a"): Undeclared})
        async with new_store([]) as store:
            with in_time(WHOLE_TEST):
                async with shop(store, fulfilling(handlers)) as app:
                    for order_id in "ab":
                        await app.dispatch(Order(order_id=order_id))
                    await settled(app)
                    await app.dispatch(Reject(order_id="a"))
                    await settled(app)
                    assert [each.key for each in await app.operations.parked(NAME)] == ["a", "a"]
                    assert [await state_of(app, order_id) for order_id in "ab"] == ["running", "waiting"]
                    handlers.failing.clear()
                    await app.operations.retry(NAME, "a")
                    await settled(app)
                    assert await state_of(app, "a") == "failed"
            assert await effects(store, "a") == ["reserve", "release"]

    async def test_a_command_starts_a_process(self, new_store: NewStore) -> None:
        """A command that starts a process does so in its own transaction. A command that fails starts none."""

        class Begin(Command[None], name="test.begin"):
            order_id: str
            fails: bool = False

        class Started(Process, name="test.started", key="order_id"):
            order_id: str
            fails: bool = True

            @starts(Begin)
            def begin(self, command: Begin, flow: Flow) -> None:
                self.fails = command.fails

        router = Router("starting")
        router.process()(Started)

        @router.command_handler(Begin)
        async def begin(command: Begin, unit: UnitOfWork) -> None:
            await unit.transaction()
            if command.fails:
                raise Undeclared

        async with new_store([]) as store:
            with in_time(WHOLE_TEST):
                async with shop(store, router) as app:
                    with pytest.raises(Undeclared):
                        await app.dispatch(Begin(order_id="bad", fails=True))
                    await app.dispatch(Begin(order_id="good"))
                    await settled(app)
                    found = await app.operations.processes()
            assert [(each.key, each.state, each.fields["fails"]) for each in found] == [("good", "waiting", False)]


async def _dispatch(app: Application, command: Command[None]) -> None:
    await app.dispatch(command)


async def _has_failed(app: Application, order_id: str) -> bool:
    return order_id in [each.key for each in await app.operations.processes(state="failed")]
