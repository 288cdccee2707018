"""Concurrent commands on one aggregate: each change counts, or is refused."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import anyio
import pytest

from twofold import Application, Command, Repository, Router
from twofold.errors import AggregateExists, AggregateNotFound, ConcurrencyConflict, ConfigurationError, TransientFailure
from twofold.middleware import retry_conflicts

from .._domain.audit import running
from .._domain.bank import Account, Close, Deposit, Deposited, Open, Opened
from .._domain.transfers import Run, handled
from .._stores.event_log import stream_of
from .._tools.late import late
from .._tools.opened import NewStore

BOTH = False, True
"""State stored, then event sourced."""

ONE = Deposit(account_id="a", amount=Decimal(1))
"""Adds 1 to the balance of account "a"."""

WRITERS = 6


class Gathering:
    """Blocks callers until enough have arrived; later callers pass."""

    def __init__(self, number: int) -> None:
        self._missing = number
        self._complete = anyio.Event()

    async def __call__(self) -> None:
        self._missing -= 1
        if self._missing == 0:
            self._complete.set()
        await self._complete.wait()


async def race(app: Application, *commands: Command[Any]) -> Counter[str]:
    """Dispatch commands at the same time; count their outcomes."""
    outcomes: Counter[str] = Counter()

    async def run(command: Command[Any]) -> None:
        try:
            await app.dispatch(command)
        except (AggregateExists, ConcurrencyConflict, TransientFailure) as refusal:
            outcomes[type(refusal).__name__] += 1
        else:
            outcomes["success"] += 1

    async with anyio.create_task_group() as tasks:
        for command in commands:
            tasks.start_soon(run, command)
    return outcomes


async def overtaken(
    app: Application, command: Command[Any], *routers: Router, by: Command[Any], event_sourced: bool
) -> Counter[str]:
    """Dispatch a command, and another one after the first has loaded and before it writes.

    Return the outcome of the first.
    """
    loaded, written = anyio.Event(), anyio.Event()
    outcomes: Counter[str] = Counter()

    async def hold() -> None:
        loaded.set()
        await written.wait()

    async def run() -> None:
        outcomes.update(await race(slow, command))

    options: dict[str, Any] = {"work": False, "event_sourced": event_sourced}
    async with running(late(app.write, hold), *routers, **options) as slow, anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await loaded.wait()
        await app.dispatch(by)
        written.set()
    return outcomes


class RepositoryRaces:
    """The cases of `RepositorySuite` about concurrent commands."""

    async def test_one_of_several_changes_of_one_version_succeeds(self, new_store: NewStore) -> None:
        """Exactly one of several commands that have loaded the same version succeeds. The others conflict."""
        for event_sourced in BOTH:
            async with new_store([]) as store, running(store, work=False, event_sourced=event_sourced) as app:
                await app.dispatch(Open(account_id="a"))
                racing = late(store, Gathering(WRITERS))
                async with running(racing, work=False, event_sourced=event_sourced) as others:
                    outcomes = await race(others, *[ONE] * WRITERS)
                assert outcomes == {"success": 1, "ConcurrencyConflict": WRITERS - 1}
                assert len(await stream_of(store, "account-a")) == 2
                assert await app.dispatch(ONE) == 2

    async def test_commands_that_found_no_aggregate_all_succeed_with_retries(self, new_store: NewStore) -> None:
        """Of two commands that find no aggregate and create it, one succeeds.

        The other conflicts, and loads it when repeated.
        """

        async def run(command: Run, accounts: Repository[Account]) -> str:
            account = await accounts.find("a")
            if account is None:
                await accounts.add(Account.begin(Opened(account_id="a")))
                return "opened"
            account.record(Deposited(account_id="a", amount=Decimal(1)))
            return "deposited"

        router = handled(run)
        for event_sourced in BOTH:
            async with new_store([]) as store, running(store, work=False, event_sourced=event_sourced):
                racing = late(store, Gathering(2))
                async with running(racing, router, work=False, event_sourced=event_sourced) as others:
                    assert await race(others, Run(), Run()) == {"success": 1, "ConcurrencyConflict": 1}
                assert len(await stream_of(store, "account-a")) == 1

    async def test_get_or_begin_begins_once(self, new_store: NewStore) -> None:
        """Of several commands that get or begin one aggregate, one begins it. With retries, each of the others gets it."""

        async def run(command: Run, accounts: Repository[Account]) -> str:
            account = await accounts.get_or_begin("a", lambda: Account.begin(Opened(account_id="a")))
            assert await accounts.get_or_begin("a", lambda: Account.begin(Opened(account_id="a"))) is account
            account.record(Deposited(account_id="a", amount=Decimal(1)))
            return ""

        router = handled(run)
        router.use(retry_conflicts(attempts=50, delay=0.001))
        for event_sourced in BOTH:
            async with new_store([]) as store, running(store, work=False, event_sourced=event_sourced) as app:
                racing = late(store, Gathering(WRITERS))
                async with running(racing, router, work=False, event_sourced=event_sourced) as others:
                    assert await race(others, *[Run() for _ in range(WRITERS)]) == {"success": WRITERS}
                assert len(await stream_of(store, "account-a")) == 1 + WRITERS
                assert await app.dispatch(ONE) == WRITERS + 1

    async def test_get_or_begin_does_not_begin_a_removed_aggregate(self, new_store: NewStore) -> None:
        """The id of a removed aggregate stays taken. A repeat would not help, so the error is not a conflict."""
        runs = list[Run]()

        async def run(command: Run, accounts: Repository[Account]) -> str:
            runs.append(command)
            await accounts.get_or_begin("a", lambda: Account.begin(Opened(account_id="a")))
            return ""

        router = handled(run)
        router.use(retry_conflicts(attempts=5, delay=0.001))
        for event_sourced in BOTH:
            async with new_store([]) as store, running(store, router, work=False, event_sourced=event_sourced) as app:
                await app.dispatch(Open(account_id="a"))
                await app.dispatch(Close(account_id="a"))
                with pytest.raises(AggregateExists):
                    await app.dispatch(Run())
                assert len(await stream_of(store, "account-a")) == 2
        assert len(runs) == len(BOTH)

    async def test_get_or_begin_refuses_another_id(self, new_store: NewStore) -> None:
        """An aggregate with another id than the requested one is refused, and nothing is written."""

        async def run(command: Run, accounts: Repository[Account]) -> str:
            await accounts.get_or_begin("a", lambda: Account.begin(Opened(account_id="b")))
            return ""

        async with new_store([]) as store, running(store, handled(run), work=False) as app:
            with pytest.raises(ConfigurationError, match="cannot begin Account 'a'"):
                await app.dispatch(Run())
            assert await stream_of(store, "account-b") == []

    async def test_with_retries_every_increment_counts(self, new_store: NewStore) -> None:
        """With retries, all conflicting commands succeed. Every increment counts once."""
        router = Router("retrying")
        router.use(retry_conflicts(attempts=50, delay=0.001))
        for event_sourced in BOTH:
            async with new_store([]) as store, running(store, work=False, event_sourced=event_sourced) as app:
                await app.dispatch(Open(account_id="a"))
                racing = late(store, Gathering(WRITERS))
                async with running(racing, router, work=False, event_sourced=event_sourced) as others:
                    outcomes = await race(others, *[ONE] * WRITERS)
                assert outcomes == {"success": WRITERS}
                assert len(await stream_of(store, "account-a")) == 1 + WRITERS
                assert await app.dispatch(ONE) == WRITERS + 1

    async def test_the_value_is_the_number_of_successes(self, new_store: NewStore) -> None:
        """Without retries, exactly the successful commands count."""
        for event_sourced in BOTH:
            async with new_store([]) as store, running(store, work=False, event_sourced=event_sourced) as app:
                await app.dispatch(Open(account_id="a"))
                outcomes = await race(app, *[ONE] * WRITERS * 3)
                assert outcomes["success"] >= 1
                assert len(await stream_of(store, "account-a")) == 1 + outcomes["success"]
                assert await app.dispatch(ONE) == outcomes["success"] + 1

    async def test_one_of_several_additions_of_one_id_succeeds(self, new_store: NewStore) -> None:
        """Exactly one of several commands that add the same id at the same time succeeds.

        For the others, the aggregate exists.
        """
        for event_sourced in BOTH:
            async with new_store([]) as store, running(store, work=False, event_sourced=event_sourced) as app:
                racing = late(store, Gathering(WRITERS))
                async with running(racing, work=False, event_sourced=event_sourced) as others:
                    outcomes = await race(others, *[Open(account_id="a")] * WRITERS)
                assert outcomes == {"success": 1, "AggregateExists": WRITERS - 1}
                assert len(await stream_of(store, "account-a")) == 1
                assert await app.dispatch(ONE) == 1

    async def test_removing_an_aggregate_that_was_changed_meanwhile(self, new_store: NewStore) -> None:
        """Removing an aggregate conflicts if another command has changed it after it was loaded."""
        for event_sourced in BOTH:
            async with new_store([]) as store, running(store, work=False, event_sourced=event_sourced) as app:
                await app.dispatch(Open(account_id="a"))
                assert await overtaken(app, Close(account_id="a"), by=ONE, event_sourced=event_sourced) == {
                    "ConcurrencyConflict": 1
                }
                assert await app.dispatch(ONE) == 2

    async def test_changing_an_aggregate_that_was_removed_meanwhile(self, new_store: NewStore) -> None:
        """Changing an aggregate conflicts if another command has removed it after it was loaded."""
        for event_sourced in BOTH:
            async with new_store([]) as store, running(store, work=False, event_sourced=event_sourced) as app:
                await app.dispatch(Open(account_id="a"))
                assert await overtaken(app, ONE, by=Close(account_id="a"), event_sourced=event_sourced) == {
                    "ConcurrencyConflict": 1
                }
                with pytest.raises(AggregateNotFound):
                    await app.dispatch(ONE)

    async def test_an_expected_version_is_checked_again_at_the_end(self, new_store: NewStore) -> None:
        """A command that changes nothing conflicts if another command changes the aggregate after the version check."""

        async def run(command: Run, accounts: Repository[Account]) -> str:
            await accounts.get("a", expected=1)
            return "as expected"

        for event_sourced in BOTH:
            async with new_store([]) as store, running(store, work=False, event_sourced=event_sourced) as app:
                await app.dispatch(Open(account_id="a"))
                assert await overtaken(app, Run(), handled(run), by=ONE, event_sourced=event_sourced) == {
                    "ConcurrencyConflict": 1
                }
                assert await app.dispatch(ONE) == 2
