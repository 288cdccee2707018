"""Inline projections: rows that many commands change, changes of the mode, and writers that lack a projection."""

from __future__ import annotations

from functools import partial

import anyio
import pytest

from twofold import Application
from twofold.errors import ConfigurationError, InlineProjectionsChanged, RebuildFailed
from twofold.ports import START, RowChange

from .._domain.audit import settled
from .._domain.tally import (
    Endorse,
    GetParty,
    GetTally,
    GetVoter,
    Party,
    Tally,
    Vote,
    Voter,
    counting,
    parties,
    tallies,
    votes,
    voting,
)
from .._tools.in_time import until
from .._tools.opened import NewStore, writing
from .inline_values import InlineValues

COMMANDS = 50


async def _counted(app: Application, count: int) -> bool:
    return await votes(app, "a") == (count,)


class InlineSuite(InlineValues):
    """The promises of inline projections on a write store. Needs the fixture `new_store`."""

    async def test_a_row_that_many_commands_change(self, new_store: NewStore) -> None:
        """Concurrent commands of two processes count every event in one row, even if the row did not exist before."""
        everybody, arrived = anyio.Event(), 0

        async def barrier() -> None:
            nonlocal arrived
            arrived += 1
            if arrived == COMMANDS:
                everybody.set()
            await everybody.wait()

        async with (
            new_store([Tally]) as store,
            counting(store, voting(before_commit=barrier), tallies(), work=False) as one,
            counting(store, voting(before_commit=barrier), tallies(), work=False) as two,
        ):
            async with anyio.create_task_group() as tasks:
                for number in range(COMMANDS):
                    vote = Vote(voter=str(number), parties=("a", "b", "a"))
                    tasks.start_soon((one if number % 2 else two).dispatch, vote)
            assert await votes(one, "a", "b") == (2 * COMMANDS, COMMANDS)
            assert len((await store.log.read_all()).events) == 3 * COMMANDS

    async def test_a_mode_that_changes(self, new_store: NewStore) -> None:
        """A projection continues at its position when it becomes asynchronous, with several partitions, and inline again."""
        async with new_store([Tally]) as store:
            for number, (mode, partitions) in enumerate(
                (("inline", 1), ("async", 3), ("inline", 1), ("async", 1), ("async", 2), ("inline", 1)), 1
            ):
                async with counting(store, tallies(mode, partitions=partitions)) as app:
                    await app.dispatch(Vote(voter="v", parties=("a", "b", "a")))
                    await settled(app)
                    assert await votes(app, "a", "b") == (2 * number, number)

    async def test_a_mode_that_changes_behind_the_log(self, new_store: NewStore) -> None:
        """An asynchronous projection with a lag that becomes inline handles every event. Its workers stop."""
        async with new_store([Tally]) as store:
            async with counting(store, tallies("async"), work=False) as app:
                await app.dispatch(Vote(voter="v", parties=("a", "b", "a")))
            async with counting(store, tallies("async")) as other:
                async with counting(store, tallies()) as app:
                    await app.dispatch(Vote(voter="v", parties=("a",)))
                    assert await votes(app, "a", "b") == (3, 1)
                    with pytest.raises(InlineProjectionsChanged):
                        await other.dispatch(Vote(voter="v", parties=("b",)))
                assert (await store.subscriptions.checkpoint("tallies") or START) != START
                assert await votes(other, "a", "b") == (3, 1)

    async def test_a_projection_that_becomes_inline(self, new_store: NewStore) -> None:
        """A new inline projection contains the whole history when its application has started.

        Later commands add their rows.
        """
        async with new_store([Tally]) as store:
            async with counting(store) as app:
                await app.dispatch(Vote(voter="v", parties=("a", "b", "a")))
            async with counting(store, tallies()) as app:
                assert await votes(app, "a", "b") == (2, 1)
                await app.dispatch(Vote(voter="v", parties=("b",)))
                assert await votes(app, "a", "b") == (2, 2)

    async def test_a_writer_without_the_projection(self, new_store: NewStore) -> None:
        """An application without an inline projection of its log does not start.

        It starts once the log no longer lists it.
        """
        async with new_store([Tally]) as store:
            async with counting(store, tallies()) as app:
                await app.dispatch(Vote(voter="v", parties=("a",)))
            with pytest.raises(
                ConfigurationError, match=r"'tallies', which this application does not have.*unregister_inline"
            ):
                async with counting(store):
                    raise AssertionError("it started")
            assert await Application("other", write=store).operations.unregister_inline("tallies")
            assert not await Application("other", write=store).operations.unregister_inline("tallies")
            async with counting(store) as app:
                await app.dispatch(Vote(voter="v", parties=("a",)))
            async with counting(store, tallies()) as app:
                assert await votes(app, "a") == (2,)

    async def test_a_writer_whose_mode_is_out_of_date(self, new_store: NewStore) -> None:
        """A running application cannot append after another one has made its inline projection asynchronous."""
        async with new_store([Tally]) as store, counting(store, tallies(), work=False) as old:
            await old.dispatch(Vote(voter="v", parties=("a",)))
            async with counting(store, tallies("async")) as new:
                with pytest.raises(
                    InlineProjectionsChanged, match="inline projections of the event log have generation"
                ):
                    await old.dispatch(Vote(voter="v", parties=("a",)))
                await new.dispatch(Vote(voter="v", parties=("a",)))
                await settled(new)
                assert await votes(new, "a") == (2,)

    async def test_a_view_that_is_added(self, new_store: NewStore) -> None:
        """A view that is added to an inline projection is filled when the application starts.

        Older applications are refused.
        """
        async with new_store([Tally, Voter]) as store, counting(store, tallies(), work=False) as old:
            await old.dispatch(Vote(voter="v", parties=("a",)))
            with pytest.raises(
                ConfigurationError, match=r"before: suite_tally party votes; now: suite_tally .*suite_voter"
            ):
                async with counting(store, tallies("async", voters=True)):
                    raise AssertionError("it started")
            async with counting(store, tallies(voters=True)) as app:
                assert await app.execute(GetVoter(voter="v")) == Voter(voter="v")
                assert await votes(app, "a") == (1,)
                with pytest.raises(InlineProjectionsChanged):
                    await old.dispatch(Vote(voter="w", parties=("a",)))
                await app.dispatch(Vote(voter="w", parties=("a",)))
                assert await app.execute(GetVoter(voter="w")) == Voter(voter="w")
                assert await votes(app, "a") == (2,)

    async def test_a_field_that_is_added(self, new_store: NewStore) -> None:
        """A field that is added to a view is filled when the application starts. Older applications are refused."""
        async with new_store([Tally]) as store, counting(store, parties(), work=False) as old:
            await old.dispatch(Vote(voter="v", parties=("a",)))
            async with counting(store, tallies()) as app:
                assert await votes(app, "a") == (1,)
                with pytest.raises(InlineProjectionsChanged):
                    await old.dispatch(Vote(voter="w", parties=("a",)))
                await app.operations.rebuild("tallies")
                await app.dispatch(Vote(voter="w", parties=("a",)))
                assert await votes(app, "a") == (2,)

    async def test_a_field_that_is_removed(self, new_store: NewStore) -> None:
        """An application without a field starts without a rebuild. Older ones fill it when they start again."""
        async with new_store([Tally]) as store, counting(store, tallies(), work=False) as old:
            await old.dispatch(Vote(voter="v", parties=("a",)))
            async with writing(store) as transaction:
                kept = RowChange("b", Tally(party="b"), await store.log.head())
                await transaction.rows(Tally).write([kept])
            async with counting(store, parties()) as app:
                assert await app.execute(GetParty(party="b")) == Party(party="b")
                with pytest.raises(InlineProjectionsChanged):
                    await old.dispatch(Vote(voter="w", parties=("a",)))
                await app.dispatch(Vote(voter="w", parties=("a",)))
            async with counting(store, tallies()) as again:
                assert await votes(again, "a") == (2,)
                assert await again.execute(GetTally(party="b")) is None

    async def test_an_event_that_is_added(self, new_store: NewStore) -> None:
        """Events of a type that is added to a projection are applied when the application starts, also earlier ones.

        Older applications are refused. An application without the type rebuilds the rows when it starts.
        """
        async with new_store([Tally]) as store, counting(store, tallies(), work=False) as old:
            await old.dispatch(Vote(voter="v", parties=("a",)))
            await old.dispatch(Endorse(party="a"))
            async with counting(store, tallies(endorsements=True)) as app:
                assert await votes(app, "a") == (2,)
                with pytest.raises(InlineProjectionsChanged):
                    await old.dispatch(Endorse(party="a"))
                await app.dispatch(Endorse(party="a"))
                assert await votes(app, "a") == (3,)
            async with counting(store, tallies()) as earlier:
                assert await votes(earlier, "a") == (1,)

    async def test_an_event_that_is_added_before_it_occurs(self, new_store: NewStore) -> None:
        """If the log has no event of the type, the rows are kept. Older applications are refused."""
        async with new_store([Tally]) as store, counting(store, tallies(), work=False) as old:
            await old.dispatch(Vote(voter="v", parties=("a",)))
            async with writing(store) as transaction:
                kept = RowChange("b", Tally(party="b"), await store.log.head())
                await transaction.rows(Tally).write([kept])
            async with counting(store, tallies(endorsements=True)) as app:
                assert await app.execute(GetTally(party="b")) == Tally(party="b")
                with pytest.raises(InlineProjectionsChanged):
                    await old.dispatch(Endorse(party="a"))
                await app.dispatch(Endorse(party="a"))
                assert await votes(app, "a") == (2,)

    async def test_an_event_that_is_added_with_the_mode(self, new_store: NewStore) -> None:
        """An inline projection that becomes asynchronous and handles more events is reported until it is rebuilt."""
        async with new_store([Tally]) as store:
            async with counting(store, tallies()) as old:
                await old.dispatch(Vote(voter="v", parties=("a",)))
                await old.dispatch(Endorse(party="a"))
            async with counting(store, tallies("async", endorsements=True)) as app:
                await settled(app)
                assert [each.code for each in (await app.health()).problems] == ["projection_changed"]
                await app.operations.rebuild("tallies")
                assert await votes(app, "a") == (2,)
                assert [each.code for each in (await app.health()).problems] == []

    async def test_it_can_be_rebuilt(self, new_store: NewStore) -> None:
        """A rebuild replaces wrong rows in one step while commands continue. Each event counts once."""
        parties = tuple("abc" * 200)
        async with new_store([Tally]) as store, counting(store, tallies(), work=False) as app:
            await app.dispatch(Vote(voter="v", parties=parties))
            wrong = [RowChange(party, Tally(party=party, votes=7), await store.log.head()) for party in "cz"]
            async with writing(store) as transaction:
                await transaction.rows(Tally).write(wrong)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(app.operations.rebuild, "tallies")
                for number in range(20):
                    await app.dispatch(Vote(voter=f"w{number}", parties=("a",)))
                    assert await votes(app, "a", "b") == (201 + number, 200)
            assert await votes(app, "a", "b", "c", "z") == (220, 200, 200, 0)
            await app.dispatch(Vote(voter="x", parties=("c",)))
            assert await votes(app, "c") == (201,)

    async def test_a_rebuild_that_fails(self, new_store: NewStore) -> None:
        """A projection that fails on a stored event does not become inline and keeps its rows.

        The error names the event.
        """
        async with new_store([Tally]) as store:
            async with counting(store, tallies()) as app:
                await app.dispatch(Vote(voter="v", parties=("a", "b")))
            async with counting(store, tallies(fail_on="b")) as app:
                with pytest.raises(RebuildFailed, match=r"fails on the event at position .*LookupError"):
                    await app.operations.rebuild("tallies")
                assert await votes(app, "a", "b") == (1, 1)
            async with counting(store, tallies()) as app:
                await app.operations.rebuild("tallies", restart=True)
                assert await votes(app, "a", "b") == (1, 1)
            assert await Application("other", write=store).operations.unregister_inline("tallies")
            with pytest.raises(RebuildFailed, match="LookupError"):
                async with counting(store, tallies(fail_on="b")):
                    raise AssertionError("it started")
            async with counting(store, tallies("async")) as app:
                await settled(app)
                assert await votes(app, "a", "b") == (1, 1)

    async def test_processes_that_start_together(self, new_store: NewStore) -> None:
        """Processes that start at the same time all start, with a new projection and with one whose mode has changed."""

        async def vote(mode: str, voter: str) -> None:
            async with counting(store, tallies(mode)) as app:
                await app.dispatch(Vote(voter=voter, parties=("a",)))
                await started.wait()

        async with new_store([Tally]) as store:
            for number, mode in enumerate(("inline", "async", "inline", "inline"), 1):
                started = anyio.Event()
                async with anyio.create_task_group() as tasks:
                    for process in range(4):
                        tasks.start_soon(vote, mode, str(process))
                    async with counting(store, tallies(mode)) as app:
                        await until(partial(_counted, app, 4 * number), "all four were to vote")
                        started.set()
