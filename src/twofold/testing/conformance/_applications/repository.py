"""Repositories: aggregates behave alike, whether their state is kept or their events."""

from __future__ import annotations

from decimal import Decimal

import pytest

from twofold import Repository
from twofold.errors import AggregateExists, AggregateNotFound, ConcurrencyConflict, ConfigurationError

from .._domain.audit import running
from .._domain.bank import Account, Close, Deposit, Deposited, Open, Opened
from .._domain.transfers import Run, handled
from .._stores.event_log import stream_of
from .._tools.opened import NewStore, undone, writing
from .repository_races import BOTH, RepositoryRaces


class RepositorySuite(RepositoryRaces):
    """What repositories promise on a store, for both ways to keep an aggregate. Needs the fixture `new_store`."""

    async def test_add_get_change_and_remove(self, new_store: NewStore) -> None:
        """An aggregate can be added, changed and removed; each command finds what the last one left."""
        for event_sourced in BOTH:
            async with new_store([]) as store, running(store, work=False, event_sourced=event_sourced) as app:
                assert await app.dispatch(Open(account_id="a")) == "a"
                assert await app.dispatch(Deposit(account_id="a", amount=Decimal("2.50"))) == Decimal("2.50")
                assert await app.dispatch(Deposit(account_id="a", amount=Decimal("0.25"))) == Decimal("2.75")
                await app.dispatch(Close(account_id="a"))
                with pytest.raises(AggregateNotFound):
                    await app.dispatch(Deposit(account_id="a", amount=Decimal(1)))
                names = [stored.name for stored in await stream_of(store, "account-a")]
                assert names == ["bank.opened", "bank.deposited", "bank.deposited", "twofold.aggregate_removed"]

    async def test_aggregates_are_kept_apart(self, new_store: NewStore) -> None:
        """A change of one aggregate changes no other one, also where an id begins with another id."""
        for event_sourced in BOTH:
            async with new_store([]) as store, running(store, work=False, event_sourced=event_sourced) as app:
                amounts = {"a": Decimal(1), "a-1": Decimal(2), "A": Decimal(3), "ä 🚲": Decimal(4)}
                for account in amounts:
                    await app.dispatch(Open(account_id=account))
                for account, amount in amounts.items():
                    await app.dispatch(Deposit(account_id=account, amount=amount))
                await app.dispatch(Close(account_id="a"))
                for account in ("a-1", "A", "ä 🚲"):
                    assert await app.dispatch(Deposit(account_id=account, amount=Decimal(0))) == amounts[account]

    async def test_a_type_is_kept_in_one_way(self, new_store: NewStore) -> None:
        """Where aggregates are kept in one way, nobody loads or adds one in the other; the first way goes on."""
        for event_sourced in BOTH:
            async with new_store([]) as store:
                async with running(store, work=False, event_sourced=not event_sourced):
                    pass  # that it was once wired otherwise does not count: nothing was written
                async with running(store, work=False, event_sourced=event_sourced) as app:
                    await app.dispatch(Open(account_id="a"))
                    await app.dispatch(Deposit(account_id="a", amount=Decimal(1)))
                async with running(store, work=False, event_sourced=not event_sourced) as other:
                    for command in (Deposit(account_id="a", amount=Decimal(1)), Open(account_id="b")):
                        with pytest.raises(ConfigurationError, match=r"cannot keep Account as .* event_sourced="):
                            await other.dispatch(command)
                async with running(store, work=False, event_sourced=event_sourced) as app:
                    assert await app.dispatch(Deposit(account_id="a", amount=Decimal(1))) == Decimal(2)

    async def test_what_was_undone_was_not_kept(self, new_store: NewStore) -> None:
        """A command that failed leaves no note of the way in which it would have kept something."""
        for event_sourced in BOTH:
            async with new_store([]) as store:
                async with undone(store) as transaction:
                    await transaction.storage_kinds.add("account", "state" if event_sourced else "events")
                async with running(store, work=False, event_sourced=event_sourced) as app:
                    assert await app.dispatch(Open(account_id="a")) == "a"
                async with writing(store) as transaction:
                    await transaction.storage_kinds.add("account", "another way")
                    assert await transaction.storage_kinds.get("account") == ("events" if event_sourced else "state")
                    assert await transaction.storage_kinds.get("Account") is None

    async def test_nothing_there(self, new_store: NewStore) -> None:
        """For a missing or removed id, `get` and `version` raise, and `find` returns None."""

        async def run(command: Run, accounts: Repository[Account]) -> str:
            with pytest.raises(AggregateNotFound):
                await accounts.get("a")
            with pytest.raises(AggregateNotFound):
                await accounts.version("a")
            assert await accounts.find("a") is None
            return "nothing"

        for event_sourced in BOTH:
            async with (
                new_store([]) as store,
                running(store, handled(run), work=False, event_sourced=event_sourced) as app,
            ):
                assert await app.dispatch(Run()) == "nothing"
                await app.dispatch(Open(account_id="a"))
                await app.dispatch(Close(account_id="a"))
                assert await app.dispatch(Run()) == "nothing"

    async def test_an_existing_id_is_refused(self, new_store: NewStore) -> None:
        """Adding an aggregate twice is refused, and the first one stays as it was."""
        for event_sourced in BOTH:
            async with new_store([]) as store, running(store, work=False, event_sourced=event_sourced) as app:
                await app.dispatch(Open(account_id="a"))
                await app.dispatch(Deposit(account_id="a", amount=Decimal(5)))
                with pytest.raises(AggregateExists):
                    await app.dispatch(Open(account_id="a"))
                assert len(await stream_of(store, "account-a")) == 2
                assert await app.dispatch(Deposit(account_id="a", amount=Decimal(1))) == 6

    async def test_a_removed_id_stays_taken(self, new_store: NewStore) -> None:
        """The id of an aggregate that was removed cannot be used again, and its events stay."""
        for event_sourced in BOTH:
            async with new_store([]) as store, running(store, work=False, event_sourced=event_sourced) as app:
                await app.dispatch(Open(account_id="a"))
                await app.dispatch(Close(account_id="a"))
                with pytest.raises(AggregateExists):
                    await app.dispatch(Open(account_id="a"))
                assert len(await stream_of(store, "account-a")) == 2
                with pytest.raises(AggregateNotFound):
                    await app.dispatch(Close(account_id="a"))

    async def test_one_object_within_a_unit(self, new_store: NewStore) -> None:
        """Within a unit an id gives the same object, what was added is found, and what was removed is gone."""

        async def run(command: Run, accounts: Repository[Account]) -> str:
            first = await accounts.get("a")
            first.record(Deposited(account_id="a", amount=Decimal(7)))
            assert await accounts.get("a") is first
            added = Account.begin(Opened(account_id="b"))
            await accounts.add(added)
            assert await accounts.find("b") is added
            with pytest.raises(AggregateExists):
                await accounts.add(Account.begin(Opened(account_id="b")))
            await accounts.remove(await accounts.get("c"))
            assert await accounts.find("c") is None
            return f"{(await accounts.get('a')).balance}"

        for event_sourced in BOTH:
            async with (
                new_store([]) as store,
                running(store, handled(run), work=False, event_sourced=event_sourced) as app,
            ):
                await app.dispatch(Open(account_id="a"))
                await app.dispatch(Open(account_id="c"))
                assert await app.dispatch(Run()) == "7"
                assert await app.dispatch(Deposit(account_id="a", amount=Decimal(1))) == 8
                assert await app.dispatch(Deposit(account_id="b", amount=Decimal(1))) == 1
                with pytest.raises(AggregateNotFound):
                    await app.dispatch(Deposit(account_id="c", amount=Decimal(1)))

    async def test_the_loaded_is_not_shared(self, new_store: NewStore) -> None:
        """What a command that failed did to a loaded aggregate is not seen by the next one."""

        async def run(command: Run, accounts: Repository[Account]) -> str:
            (await accounts.get("a")).balance += 100
            raise LookupError("no")

        for event_sourced in BOTH:
            async with (
                new_store([]) as store,
                running(store, handled(run), work=False, event_sourced=event_sourced) as app,
            ):
                await app.dispatch(Open(account_id="a"))
                with pytest.raises(LookupError):
                    await app.dispatch(Run())
                assert await app.dispatch(Deposit(account_id="a", amount=Decimal(1))) == 1

    async def test_an_expected_version_is_checked(self, new_store: NewStore) -> None:
        """A command that names the version it saw conflicts when another one is there, though it changes nothing."""

        async def run(command: Run, accounts: Repository[Account]) -> str:
            await accounts.get("a", expected=1)
            return f"version {await accounts.version('a')}"

        for event_sourced in BOTH:
            async with (
                new_store([]) as store,
                running(store, handled(run), work=False, event_sourced=event_sourced) as app,
            ):
                await app.dispatch(Open(account_id="a"))
                assert await app.dispatch(Run()) == "version 1"
                assert await app.dispatch(Run()) == "version 1"
                await app.dispatch(Deposit(account_id="a", amount=Decimal(1)))
                with pytest.raises(ConcurrencyConflict) as caught:
                    await app.dispatch(Run())
                assert (caught.value.expected, caught.value.actual) == (1, 2)
