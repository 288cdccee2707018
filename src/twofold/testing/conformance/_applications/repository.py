"""Repositories: state-stored and event-sourced aggregates behave alike."""

from __future__ import annotations

from decimal import Decimal

import pytest

from twofold import Repository
from twofold.errors import AggregateExists, AggregateNotFound, ConcurrencyConflict, ConfigurationError, NotStorable

from .._domain.audit import running
from .._domain.bank import Account, Close, Deposit, Deposited, Open, Opened
from .._domain.transfers import Run, handled
from .._stores.event_log import stream_of
from .._tools.opened import NewStore, undone, writing
from .repository_races import BOTH, RepositoryRaces


class RepositorySuite(RepositoryRaces):
    """The promises of repositories on a store, for both kinds of aggregates. Needs the fixture `new_store`."""

    async def test_add_get_change_and_remove(self, new_store: NewStore) -> None:
        """An aggregate can be added, changed and removed. Each command loads the changes of the previous one."""
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
        """Changing an aggregate does not change others, even if one id is a prefix of another."""
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

    async def test_ids_that_no_store_can_keep(self, new_store: NewStore) -> None:
        """An id that is too long, or contains NUL or a lone surrogate, is refused by `add` and never found."""
        for event_sourced in BOTH:
            async with new_store([]) as store, running(store, work=False, event_sourced=event_sourced) as app:
                for account in ("a\0", "\udcff", "x" * 373):
                    with pytest.raises(AggregateNotFound):
                        await app.dispatch(Deposit(account_id=account, amount=Decimal(1)))
                    with pytest.raises(NotStorable, match="no store can keep the stream"):
                        await app.dispatch(Open(account_id=account))
                await app.dispatch(Open(account_id="x" * 372))
                with pytest.raises(AggregateNotFound):
                    await app.dispatch(Deposit(account_id="x" * 371 + "y", amount=Decimal(1)))
                assert await app.dispatch(Deposit(account_id="x" * 372, amount=Decimal(1))) == 1

    async def test_a_type_is_kept_in_one_way(self, new_store: NewStore) -> None:
        """Aggregates of a type are either state stored or event sourced.

        Loading or adding one in the other way is refused. The first way continues to work.
        """
        for event_sourced in BOTH:
            async with new_store([]) as store:
                async with running(store, work=False, event_sourced=not event_sourced):
                    pass  # an application that wrote nothing does not decide how the type is stored
                async with running(store, work=False, event_sourced=event_sourced) as app:
                    await app.dispatch(Open(account_id="a"))
                    await app.dispatch(Deposit(account_id="a", amount=Decimal(1)))
                async with running(store, work=False, event_sourced=not event_sourced) as other:
                    for command in (Deposit(account_id="a", amount=Decimal(1)), Open(account_id="b")):
                        with pytest.raises(ConfigurationError, match=r"cannot store Account as .* event_sourced="):
                            await other.dispatch(command)
                async with running(store, work=False, event_sourced=event_sourced) as app:
                    assert await app.dispatch(Deposit(account_id="a", amount=Decimal(1))) == Decimal(2)

    async def test_undone_changes_are_not_stored(self, new_store: NewStore) -> None:
        """A rolled-back command does not decide how an aggregate type is stored."""
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
        """Adding an aggregate twice is refused. The first one stays unchanged."""
        for event_sourced in BOTH:
            async with new_store([]) as store, running(store, work=False, event_sourced=event_sourced) as app:
                await app.dispatch(Open(account_id="a"))
                await app.dispatch(Deposit(account_id="a", amount=Decimal(5)))
                with pytest.raises(AggregateExists):
                    await app.dispatch(Open(account_id="a"))
                assert len(await stream_of(store, "account-a")) == 2
                assert await app.dispatch(Deposit(account_id="a", amount=Decimal(1))) == 6

    async def test_a_removed_id_stays_taken(self, new_store: NewStore) -> None:
        """The id of a removed aggregate cannot be used again. Its events stay."""
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
        """Within a unit of work, an id always returns the same object, also after `add`.

        A removed aggregate is not found.
        """

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
        """Changes of a loaded aggregate by a failed command are not visible to the next command."""

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
        """A command with an outdated expected version conflicts, even if it changes nothing."""

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
