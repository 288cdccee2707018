"""Durable steps: an outside call whose result was kept is never repeated, and an unknown one is repeated with its key."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from threading import Event as ThreadEvent
from typing import Any
from uuid import UUID

import anyio
import pytest

from twofold import Event, Retry, Steps, UnitOfWork
from twofold.errors import StepFailed, StepInTransaction, StepNotStorable, StepRepeated, StepTimedOut, StepUnknown
from twofold.ports import StepRecord, WriteStore

from .._domain.audit import settled, stop_at_once
from .._domain.stepping import (
    QUICKLY,
    Broken,
    Charged,
    Declined,
    Place,
    Placed,
    Provider,
    Receipt,
    left,
    placed_id,
    running_steps,
    stepping,
)
from .._stores.event_log import stream_of
from .._tools.in_time import until
from .._tools.opened import NewStore, writing
from .step_ends import StepEnds


class StepSuite(StepEnds):
    """The promises of durable steps on a store. Needs the fixture `new_store`."""

    async def test_a_kept_result_is_reused(self, new_store: NewStore) -> None:
        """Each attempt after the first gets an equal result of the same type, without a call. The handler has failed."""
        provider, results = Provider(), list[Receipt]()

        async def pay(event: Placed, steps: Steps, unit: UnitOfWork) -> None:
            results.append(await steps.run("charge", provider.charge))
            if len(results) < 3:
                raise Broken
            unit.record(Charged(order_id=event.order_id, receipt=f"{results[-1].number}"), stream="charged")

        async with new_store([]) as store, running_steps(store, stepping(pay)) as app:
            await app.dispatch(Place())
            await settled(app)
            assert len(provider.keys) == 1
            assert [(type(each), each) for each in results] == [(Receipt, Receipt(number=1, total=Decimal("1.50")))] * 3
            assert len(await stream_of(store, "charged")) == 1
            assert await left(app) == ([], "")

    async def test_steps_are_kept_one_by_one(self, new_store: NewStore) -> None:
        """A step that failed runs again, and the steps before it do not. Steps of other events are not affected."""
        calls: list[str] = []

        async def pay(event: Placed, steps: Steps) -> None:
            async def call(name: str) -> str:
                calls.append(f"{event.order_id} {name}")
                if calls.count("a second") == 1 and name == "second":
                    raise Broken
                return name

            for name in ("first", "second"):
                assert await steps.run(name, lambda _, name=name: call(name), returns=str) == name

        async with new_store([]) as store, running_steps(store, stepping(pay)) as app:
            await app.dispatch(Place())
            await settled(app)
            await app.dispatch(Place(order_id="b"))
            await settled(app)
            assert calls == ["a first", "a second", "a second", "b first", "b second"]

    async def test_keys_are_deterministic(self, new_store: NewStore) -> None:
        """The key of a call depends on the subscription, the event and the name. It is the same in each attempt."""
        keys: dict[tuple[str, str, str], list[str]] = {}

        def handler(subscription: str) -> Any:
            async def pay(event: Placed, steps: Steps) -> None:
                async def call(key: str) -> None:
                    keys.setdefault((subscription, event.order_id, name), []).append(key)

                for name in ("charge", "Charge"):
                    await steps.run(name, call)
                found = keys[subscription, event.order_id, "charge"]

                async def failing(key: str) -> None:
                    found.append(key)
                    raise Broken

                await steps.run("failing", failing)

            return pay

        router = stepping(handler("payments"))
        router.event_handler(Placed, name="mails", start="beginning", retry=QUICKLY)(handler("mails"))
        async with new_store([]) as store, running_steps(store, router) as app:
            for order in ("a", "b"):
                await app.dispatch(Place(order_id=order))
            await settled(app)
        assert len(keys) == 8
        first = [found[0] for found in keys.values()]
        failing = [found[1:] for found in keys.values() if found[1:]]
        assert [each for each in failing if len(each) != 4 or len({*each}) != 1] == []
        assert len({*first, *(each[0] for each in failing)}) == 8 + 4
        assert [f"{UUID(key)}" for key in first] == first

    async def test_an_unknown_outcome_is_repeated_with_its_key(self, new_store: NewStore) -> None:
        """A process ends after its call took effect and before the result is kept: the call is repeated with its key."""
        provider, results = Provider(), list[int]()

        async def pay(event: Placed, steps: Steps) -> None:
            async def charge(key: str) -> int:
                receipt = await provider.charge(key)
                if len(provider.keys) == 1:
                    await anyio.sleep_forever()
                return receipt.number

            results.append(await steps.run("charge", charge))

        async with new_store([]) as store:
            async with running_steps(store, stepping(pay)) as app:
                await app.dispatch(Place())
                await until(lambda: len(provider.keys) == 1)
                stop_at_once(app)
            async with running_steps(store, stepping(pay)) as app:
                await settled(app)
            assert results == [2]
            assert provider.keys[0] == provider.keys[1]

    async def test_a_kept_outcome_survives_its_process(self, new_store: NewStore) -> None:
        """A process ends after the result is kept and before its event is handled: the call is not repeated."""
        provider, results = Provider(), list[int]()

        async def pay(event: Placed, steps: Steps) -> None:
            results.append((await steps.run("charge", provider.charge)).number)
            if len(results) == 1:
                await anyio.sleep_forever()

        async with new_store([]) as store:
            async with running_steps(store, stepping(pay)) as app:
                await app.dispatch(Place())
                await until(lambda: len(results) == 1)
                stop_at_once(app)
            async with running_steps(store, stepping(pay)) as app:
                await settled(app)
            assert results == [1, 1]
            assert len(provider.keys) == 1

    async def test_an_unknown_outcome_is_raised_on_request(self, new_store: NewStore) -> None:
        """With `on_unknown="raise"` the call is not repeated, until an operator forgets the step."""
        provider, errors = Provider(), list[StepUnknown]()

        async def pay(event: Placed, steps: Steps) -> None:
            async def charge(key: str) -> int:
                receipt = await provider.charge(key)
                if len(provider.keys) == 1:
                    await anyio.sleep_forever()
                return receipt.number

            try:
                await steps.run("charge", charge, on_unknown="raise")
            except StepUnknown as error:
                errors.append(error)
                raise

        router = stepping(pay, Retry(attempts=2, delay=0.001, park_on=StepUnknown))
        async with new_store([]) as store:
            async with running_steps(store, router) as app:
                await app.dispatch(Place())
                await until(lambda: len(provider.keys) == 1)
                stop_at_once(app)
            async with running_steps(store, router) as app:
                await settled(app)
                assert [each.step for each in errors] == ["charge"]
                assert provider.keys[0] in str(errors[0])
                event_id = await placed_id(app)
                ((begun,), reason) = await left(app)
                assert (begun.state, begun.outcome) == ("begun", None)
                assert reason.startswith("StepUnknown")
                assert await app.operations.forget_step("payments", event_id=event_id, step="charge")
                assert not await app.operations.forget_step("payments", event_id=event_id, step="charge")
                assert await app.operations.retry("payments", "order-a") == []
                assert await left(app) == ([], "")
            assert len(errors) == 1
            assert provider.keys == [provider.keys[0]] * 2

    async def test_a_call_without_an_effect_is_made_again(self, new_store: NewStore) -> None:
        """With `on_unknown="raise"`, an exception in `no_effect` lets the next attempt make the call; others do not."""
        failing: list[Exception] = [ConnectionRefusedError(), ConnectionRefusedError(), Broken()]

        async def pay(event: Placed, steps: Steps) -> None:
            def charge(key: str) -> None:
                raise failing.pop(0)

            await steps.run("charge", charge, on_unknown="raise", no_effect=(ConnectionError,))

        async with new_store([]) as store, running_steps(store, stepping(pay)) as app:
            await app.dispatch(Place())
            await settled(app)
            assert failing == []
            ((begun,), reason) = await left(app)
            assert begun.state == "begun"
            assert reason.startswith("StepUnknown")

    async def test_a_deadline_leaves_the_outcome_unknown(self, new_store: NewStore) -> None:
        """A call that passes its deadline is cancelled, and the next attempt repeats it with its key. Threads continue."""
        keys, ends, attempts, release = list[str](), list[str](), count(1), ThreadEvent()

        async def pay(event: Placed, steps: Steps) -> None:
            attempt = next(attempts)

            async def slow(key: str) -> str:
                keys.append(key)
                if attempt == 1:
                    await anyio.sleep_forever()
                return "async"

            def blocking(key: str) -> str:
                if attempt == 2:
                    release.wait()
                return "in a thread"

            try:
                ends.append(await steps.run("slow", slow, timeout=0.01 if attempt == 1 else None))
                ends.append(await steps.run("blocking", blocking, timeout=0.01 if attempt == 2 else None))
            except StepTimedOut as error:
                ends.append(f"{error.step} timed out")
                raise

        async with new_store([]) as store, running_steps(store, stepping(pay)) as app:
            await app.dispatch(Place())
            await settled(app)
            release.set()
            assert ends == ["slow timed out", "async", "blocking timed out", "async", "in a thread"]
            assert keys == [keys[0]] * 2

    async def test_a_final_error_is_kept(self, new_store: NewStore) -> None:
        """An error in `errors` is raised again in each attempt with its attributes, and the call is not repeated."""
        calls, raised = list[str](), list[Exception]()

        async def pay(event: Placed, steps: Steps) -> None:
            async def charge(key: str) -> Receipt:
                calls.append(key)
                raise Declined("no money", 51)

            try:
                await steps.run("charge", charge, errors=[Declined] if len(raised) < 3 else [])
            except Exception as error:
                raised.append(error)
                raise

        async with new_store([]) as store, running_steps(store, stepping(pay)) as app:
            await app.dispatch(Place())
            await settled(app)
            assert len(calls) == 1
            declined, unlisted = raised[:3], raised[3]
            assert [(type(each), str(each), vars(each)) for each in declined] == [
                (Declined, "no money", {"code": 51})
            ] * 3
            assert isinstance(unlisted, StepFailed)
            assert (unlisted.name, unlisted.step) == ("Declined", "charge")

    async def test_an_outcome_of_another_worker_counts(self, new_store: NewStore) -> None:
        """Another worker keeps an outcome during the call: both handlers continue with the outcome that was kept first."""
        results: list[int] = []

        async def pay(event: Placed, steps: Steps) -> None:
            async def charge(key: str) -> int:
                (placed,) = await stream_of(store, "order-a")
                record = StepRecord("payments", placed.id, "charge", "kept", "7", placed.time)
                async with writing(store) as transaction:
                    await transaction.steps.keep(record)
                return 8

            results.append(await steps.run("charge", charge))

        async with new_store([]) as store, running_steps(store, stepping(pay)) as app:
            await app.dispatch(Place())
            await settled(app)
            assert results == [7]

    async def test_one_of_two_workers_begins_a_step(self, new_store: NewStore) -> None:
        """With `on_unknown="raise"`, a worker that finds a begun step does not make the call."""
        calls: list[str] = []

        async def pay(event: Placed, steps: Steps) -> None:
            async def charge(key: str) -> None:
                calls.append(key)

            await steps.run("first", lambda _: None, returns=None)  # reads the records of the event
            await begun_elsewhere(store)
            await steps.run("charge", charge, on_unknown="raise")

        async with new_store([]) as store, running_steps(store, stepping(pay)) as app:
            await app.dispatch(Place())
            await settled(app)
            assert calls == []
            assert (await left(app)).reason.startswith("StepUnknown")

    async def test_a_result_that_cannot_be_stored_is_reported(self, new_store: NewStore) -> None:
        """The error says that the call took effect. The call is not repeated, and the result is not changed silently."""
        calls, errors = list[str](), list[Exception]()

        async def pay(event: Placed, steps: Steps) -> None:
            def charge(key: str) -> int:
                calls.append(key)
                wrong: Any = 1.5
                return int(wrong) if len(calls) > 1 else wrong

            try:
                await steps.run("charge", charge)
            except StepNotStorable as error:
                errors.append(error)
                raise

        async with new_store([]) as store, running_steps(store, stepping(pay)) as app:
            await app.dispatch(Place())
            await settled(app)
            assert len(calls) == 1
            assert len(errors) == QUICKLY.attempts
            assert [each for each in errors if "took effect" not in str(each) or "1.5" not in str(each)] == []
            await app.operations.forget_step("payments", event_id=await placed_id(app), step="charge")
            assert await app.operations.retry("payments", "order-a") == []
            assert calls == [calls[0]] * 2

    async def test_two_steps_of_one_name_are_refused(self, new_store: NewStore) -> None:
        """A second step of the same name raises an error, and its call is not made."""
        calls: list[str] = []

        async def pay(event: Placed, steps: Steps) -> None:
            async def charge(key: str) -> None:
                calls.append(key)

            await steps.run("charge", charge)
            with pytest.raises(StepRepeated, match="'charge'"):
                await steps.run("charge", charge)

        async with new_store([]) as store, running_steps(store, stepping(pay)) as app:
            await app.dispatch(Place())
            await settled(app)
            assert len(calls) == 1
            assert await left(app) == ([], "")

    async def test_a_step_inside_of_a_transaction_is_refused(self, new_store: NewStore) -> None:
        """After the first use of the unit of work, or with a call that uses it, a step raises an error and keeps nothing."""
        calls: list[str] = []

        async def pay(event: Placed, steps: Steps, unit: UnitOfWork) -> None:
            async def charge(key: str) -> None:
                calls.append(key)
                await unit.transaction()

            await (steps.run("charge", charge) if not calls else unit.transaction())
            await steps.run("mail", charge)

        async with new_store([]) as store, running_steps(store, stepping(pay)) as app:
            await app.dispatch(Place())
            await settled(app)
            assert len(calls) == 1
            steps, reason = await left(app)
            assert steps == []
            assert reason.startswith(StepInTransaction.__name__)

    async def test_concurrent_steps(self, new_store: NewStore) -> None:
        """Steps of one handler may run at the same time: both calls are under way, and both results are kept."""
        results: dict[str, str] = {}
        arrived, attempts = dict[str, anyio.Event](), list[Event]()

        async def pay(event: Placed, steps: Steps) -> None:
            attempts.append(event)
            if len(attempts) == 1:
                arrived.update({name: anyio.Event() for name in ("a", "b")})

            async def run(name: str) -> None:
                async def call(key: str) -> str:
                    assert len(attempts) == 1
                    arrived[name].set()
                    await arrived["b" if name == "a" else "a"].wait()
                    return name

                results[name] = await steps.run(name, call)

            async with anyio.create_task_group() as tasks:
                for name in ("a", "b"):
                    tasks.start_soon(run, name)
            if len(attempts) == 1:
                raise Broken

        async with new_store([]) as store, running_steps(store, stepping(pay)) as app:
            await app.dispatch(Place())
            await settled(app)
            assert results == {"a": "a", "b": "b"}
            assert len(attempts) == 2
            assert await left(app) == ([], "")


async def begun_elsewhere(store: WriteStore) -> None:
    """Begin the step of the first event, as another worker does."""
    (placed,) = await stream_of(store, "order-a")
    async with writing(store) as transaction:
        await transaction.steps.begin(StepRecord("payments", placed.id, "charge", "begun", None, placed.time))
