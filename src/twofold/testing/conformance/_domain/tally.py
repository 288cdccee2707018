"""A row that many aggregates change: votes, counted by a projection that is inline or asynchronous."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio.lowlevel

from twofold import Application, Command, Event, Query, ReadModel, Router, UnitOfWork, View, on
from twofold.ports import WriteStore

from .._tools.beside import stores_of
from .._tools.in_time import WHOLE_TEST, in_time


class Voted(Event, name="suite.voted"):
    party: str
    voter: str


class Vote(Command[None]):
    """Votes for parties. Each voter has a stream."""

    voter: str
    parties: tuple[str, ...]


class Endorsed(Event, name="suite.endorsed"):
    party: str


class Endorse(Command[None]):
    """Endorses a party. Some releases count it as a vote."""

    party: str


class Tally(View, name="suite_tally", key="party"):
    party: str
    votes: int = 0


class Party(View, name="suite_tally", key="party"):
    """The tally of a release without votes."""

    party: str


class Voter(View, name="suite_voter", key="voter"):
    voter: str


class GetTally(Query["Tally | None"]):
    party: str


class GetParty(Query["Party | None"]):
    party: str


class GetVoter(Query["Voter | None"]):
    voter: str


Pause = Callable[[], Awaitable[None]]


def voting(*, before_commit: Pause = anyio.lowlevel.checkpoint) -> Router:
    """Return a router with the command.

    Args:
        before_commit: awaited in each handler, before its unit of work is committed.
    """
    router = Router("voting")

    @router.command_handler(Vote)
    async def vote(command: Vote, unit: UnitOfWork) -> None:
        for party in command.parties:
            unit.record(Voted(party=party, voter=command.voter), stream=f"voter-{command.voter}")
        await before_commit()

    @router.command_handler(Endorse)
    async def endorse(command: Endorse, unit: UnitOfWork) -> None:
        unit.record(Endorsed(party=command.party), stream=f"party-{command.party}")

    return router


def tallies(
    mode: Any = "inline", *, partitions: int = 1, fail_on: str = "", voters: bool = False, endorsements: bool = False
) -> Router:
    """Return a router with the projection "tallies" and the queries for its rows.

    Args:
        mode: the mode of the projection.
        partitions: the number of its partitions.
        fail_on: the party on whose votes the projection fails.
        voters: whether the projection also writes the view of voters.
        endorsements: whether the projection also counts endorsements.
    """
    router = Router("tallies")

    class Counting:
        def __init__(self, tallies: ReadModel[Tally]) -> None:
            self.tallies = tallies

        @on(Voted)
        async def voted(self, event: Voted) -> None:
            if event.party == fail_on:
                raise LookupError(event.party)
            await self.count(event.party)

        async def count(self, party: str) -> None:
            row = await self.tallies.get(party) or Tally(party=party)
            await anyio.lowlevel.checkpoint()
            await self.tallies.put(Tally(party=party, votes=row.votes + 1))

    class CountingBoth(Counting):
        def __init__(self, tallies: ReadModel[Tally], voters: ReadModel[Voter]) -> None:
            super().__init__(tallies)
            self.voters = voters

        @on(Voted)
        async def voted(self, event: Voted) -> None:
            await super().voted(event)
            await self.voters.put(Voter(voter=event.voter))

    class CountingEndorsements(Counting):
        @on(Endorsed)
        async def endorsed(self, event: Endorsed) -> None:
            await self.count(event.party)

    counting = {(False, False): Counting, (True, False): CountingBoth, (False, True): CountingEndorsements}
    options = {"mode": mode, "partitions": partitions, "partition_by": "party"}
    router.projection("tallies", **options)(counting[voters, endorsements])

    @router.query_handler(GetTally, reads="tallies")
    async def get_tally(query: GetTally, tallies: ReadModel[Tally]) -> Tally | None:
        return await tallies.get(query.party)

    if voters:
        router.query_handler(GetVoter, reads="tallies")(get_voter)
    return router


async def get_voter(query: GetVoter, voters: ReadModel[Voter]) -> Voter | None:
    return await voters.get(query.voter)


def parties(mode: Any = "inline") -> Router:
    """Return a release of the router of `tallies` whose rows have no votes."""
    router = Router("tallies")

    @router.projection("tallies", mode=mode)
    class Naming:
        @on(Voted)
        async def voted(self, event: Voted, parties: ReadModel[Party]) -> None:
            await parties.put(Party(party=event.party))

    @router.query_handler(GetParty, reads="tallies")
    async def get_party(query: GetParty, parties: ReadModel[Party]) -> Party | None:
        return await parties.get(query.party)

    return router


@asynccontextmanager
async def counting(store: WriteStore, *routers: Router, **options: Any) -> AsyncIterator[Application]:
    """Run an application with these routers and the command; fail instead of hanging."""
    app = Application("tally", **stores_of(store), **options)
    for router in routers:
        app.include(router)
    if Vote not in {entry.message for entry in app._registered.commands}:
        app.include(voting())
    with in_time(WHOLE_TEST):
        async with app:
            yield app


async def votes(app: Application, *parties: str) -> tuple[int, ...]:
    """Return the number of votes of each party."""
    rows = [await app.execute(GetTally(party=party)) for party in parties]
    return tuple(0 if row is None else row.votes for row in rows)
