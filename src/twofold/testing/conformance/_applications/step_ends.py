"""The end of durable steps: when their records are deleted, and when the store fails."""

from __future__ import annotations

from typing import Any, cast

from twofold import Retry, Steps
from twofold.errors import CommitUnknown, TransientFailure
from twofold.ports import WriteStore

from .._domain.audit import settled
from .._domain.stepping import Broken, Place, Placed, Provider, left, running_steps, stepping
from .._tools.opened import NewStore
from .._tools.proxy import Proxy


class StepEnds:
    """The cases of `StepSuite` about records that are deleted, and about failures of the store."""

    async def test_steps_end_with_their_event(self, new_store: NewStore) -> None:
        """The records of an event are kept while it is parked, and deleted when it is discarded or skipped."""
        for retry, parked in ((Retry(attempts=1), True), (Retry(attempts=1, skip_on=Broken), False)):
            provider = Provider()

            async def pay(event: Placed, steps: Steps, provider: Any = provider) -> None:
                await steps.run("charge", provider.charge)
                raise Broken

            async with new_store([]) as store, running_steps(store, stepping(pay, retry)) as app:
                await app.dispatch(Place())
                await settled(app)
                assert len((await left(app)).steps) == parked
                if parked:
                    await app.operations.retry("payments", "order-a")
                    assert len(provider.keys) == 1
                    await app.operations.discard("payments", "order-a")
                assert await left(app) == ([], "")

    async def test_steps_end_with_a_retried_event(self, new_store: NewStore) -> None:
        """The records of an event are also deleted if it is handled, or skipped, in a later attempt."""
        for skip_on in ((), LookupError):
            provider = Provider()
            failing: list[Exception] = [Broken(), *([LookupError()] if skip_on else [])]

            async def pay(event: Placed, steps: Steps, provider: Any = provider, failing: Any = failing) -> None:
                await steps.run("charge", provider.charge)
                if failing:
                    raise failing.pop(0)

            router = stepping(pay, Retry(attempts=5, delay=0.001, skip_on=skip_on))
            async with new_store([]) as store, running_steps(store, router) as app:
                await app.dispatch(Place())
                await settled(app)
                assert failing == []
                assert len(provider.keys) == 1
                assert await left(app) == ([], "")

    async def test_an_outcome_is_stored_although_the_store_fails_for_a_moment(self, new_store: NewStore) -> None:
        """Transient failures and unknown commits while a result is stored do not repeat the call."""
        provider, results = Provider(), list[int]()

        async def pay(event: Placed, steps: Steps) -> None:
            results.append((await steps.run("charge", provider.charge)).number)

        failures: list[Exception] = [TransientFailure("busy"), CommitUnknown("no answer"), TransientFailure("busy")]
        async with new_store([]) as store, running_steps(failing_to_keep(store, failures), stepping(pay)) as app:
            await app.dispatch(Place())
            await settled(app)
            assert failures == []
            assert results == [1]
            assert len(provider.keys) == 1


def failing_to_keep(store: WriteStore, failures: list[Exception]) -> WriteStore:
    """Return a store whose commits of outcomes fail, once for each of the failures. Unknown commits take effect."""
    return cast(WriteStore, _Store(store, failures=failures))


class _Store(Proxy):
    async def begin(self, *, read_only: bool = False) -> Any:
        return _Transaction(await self.inner.begin(read_only=read_only), failures=self.failures)


class _Transaction(Proxy):
    keeps = False

    @property
    def steps(self) -> Any:
        async def keep(record: Any) -> Any:
            self.keeps = True
            return await self.inner.steps.keep(record)

        return Proxy(self.inner.steps, keep=keep)

    async def commit(self) -> None:
        if not self.keeps or not self.failures:
            await self.inner.commit()
            return
        failure = self.failures.pop(0)
        await (self.inner.commit() if isinstance(failure, CommitUnknown) else self.inner.rollback())
        raise failure
