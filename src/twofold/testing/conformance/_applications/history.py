"""The history of aggregates and events: states as of a version, a position or a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from twofold import (
    Aggregate,
    Application,
    Command,
    Criteria,
    Envelope,
    Event,
    History,
    Query,
    Router,
    UnitOfWork,
    on,
    select,
)
from twofold.errors import ConfigurationError, InvalidDefinition, InvalidFind
from twofold.ports import START, Position, WriteStore

from ..._clock import ManualClock
from .._domain.bank import Account, Close, Deposit, Deposited, Open, Opened, application
from .._domain.courses import Noted, ReleaseSeat, SeatReleased, SeatTaken, TakeSeat, courses
from .._tools.opened import NewStore

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BALANCES = [Decimal(0), Decimal(1), Decimal(3)]
"""The balances of account "a" after each of its events."""


class Ask(Query[Any]):
    """Runs a function of the test."""


class Note(Command[None]):
    """Records a number of events."""

    number: int


class Notes:
    """A decision model: the number of recorded events."""

    def __init__(self) -> None:
        self.number = 0

    @on(Noted)
    def _noted(self, event: Noted) -> None:
        self.number += 1


class Silent(Aggregate, name="account"):
    """An account without a method for its events."""

    id: str


class Bank:
    """An application with an account, whose events are an hour apart, and a query that runs a function.

    Attributes:
        app: the application.
        clock: its clock.
    """

    def __init__(self) -> None:
        self.app: Application
        self.clock = ManualClock(NOON)
        self._function: Callable[[History], Awaitable[Any]]
        self.router = Router("history")

        @self.router.query_handler(Ask)
        async def ask(query: Ask, history: History) -> Any:
            return await self._function(history)

        @self.router.command_handler(Note)
        async def note(command: Note, unit: UnitOfWork) -> None:
            for _ in range(command.number):
                unit.record(Noted())

    async def ask(self, function: Callable[[History], Awaitable[Any]]) -> Any:
        """Return the result of a function that reads a history."""
        self._function = function
        return await self.app.execute(Ask())

    async def aggregate(self, of: str, **limit: Any) -> Account | None:
        """Return an account in a past state."""
        account: Account | None = await self.ask(lambda history: history.aggregate(Account, of, **limit))
        return account

    async def stream(self, of: str, **limit: Any) -> Sequence[Envelope[Event]]:
        """Return the events of an account."""
        found: Sequence[Envelope[Event]] = await self.ask(lambda history: history.stream(Account, of, **limit))
        return found

    async def envelopes(self, *criteria: Criteria[Any], **limit: Any) -> Sequence[Envelope[Event]]:
        """Return the events that criteria select."""
        found: Sequence[Envelope[Event]] = await self.ask(lambda history: history.envelopes(*criteria, **limit))
        return found

    async def positions(self) -> list[Position]:
        """Return the positions of the events of the account."""
        return [each.position or START for each in await self.stream("a")]

    async def balance(self, **limit: Any) -> Decimal | None:
        """Return the balance of the account in a past state; None if it did not exist."""
        account = await self.aggregate("a", **limit)
        return None if account is None else account.balance


@asynccontextmanager
async def opened_bank(store: WriteStore) -> AsyncIterator[Bank]:
    """Open a bank with an account, and deposit 1 and 2 in it."""
    bank = Bank()
    bank.app = await application(store, bank.router, courses, event_sourced=True, clock=bank.clock, work=False)
    async with bank.app:
        deposits = [Deposit(account_id="a", amount=Decimal(amount)) for amount in (1, 2)]
        for command in (Open(account_id="a"), *deposits):
            await bank.app.dispatch(command)
            bank.clock.advance(timedelta(hours=1))
        yield bank


class HistorySuite:
    """The promises of `History`, for every write store."""

    async def test_an_aggregate_as_of_a_version(self, new_store: NewStore) -> None:
        """An aggregate has the state after a number of events. Without a limit, it has the current state."""
        async with new_store([]) as store, opened_bank(store) as bank:
            assert [await bank.balance(version=version) for version in range(5)] == [None, *BALANCES, BALANCES[-1]]
            assert await bank.balance() == BALANCES[-1]

    async def test_an_aggregate_as_of_a_position(self, new_store: NewStore) -> None:
        """A position includes the event at the position, and excludes each later one."""
        async with new_store([]) as store, opened_bank(store) as bank:
            positions = await bank.positions()
            assert [await bank.balance(as_of=position) for position in positions] == BALANCES
            assert [await bank.balance(as_of=position - 1) for position in positions] == [None, *BALANCES[:-1]]

    async def test_an_aggregate_as_of_a_time(self, new_store: NewStore) -> None:
        """A time includes the events at the time, in whatever time zone, and excludes each later one."""
        zone = datetime.now().astimezone().tzinfo
        times = [NOON + timedelta(hours=hours) for hours in range(3)]
        async with new_store([]) as store, opened_bank(store) as bank:
            assert [await bank.balance(as_of=time.astimezone(zone)) for time in times] == BALANCES
            before = [time - timedelta(milliseconds=1) for time in times]
            assert [await bank.balance(as_of=time) for time in before] == [None, *BALANCES[:-1]]

    async def test_a_clock_that_went_back(self, new_store: NewStore) -> None:
        """The history ends before the first event with a later time, also if an earlier time follows."""
        async with new_store([]) as store, opened_bank(store) as bank:
            bank.clock.set(NOON)
            await bank.app.dispatch(Deposit(account_id="a", amount=Decimal(4)))
            assert await bank.balance(as_of=NOON) == BALANCES[0]
            deposits = await bank.envelopes(select(Deposited), as_of=NOON)
            assert deposits == []

    async def test_a_removed_aggregate(self, new_store: NewStore) -> None:
        """A removed aggregate does not exist any more, and its past states do."""
        async with new_store([]) as store, opened_bank(store) as bank:
            last = (await bank.positions())[-1]
            await bank.app.dispatch(Close(account_id="a"))
            assert (await bank.balance(), await bank.balance(as_of=last)) == (None, BALANCES[-1])

    async def test_an_unknown_aggregate(self, new_store: NewStore) -> None:
        """An id that no aggregate has, or that no store accepts, has no history."""
        async with new_store([]) as store, opened_bank(store) as bank:
            for unknown in ("b", "\0", "x" * 10_000):
                assert await bank.aggregate(unknown) is None
                assert await bank.stream(unknown) == []

    async def test_a_stream_has_the_metadata_of_its_events(self, new_store: NewStore) -> None:
        """The envelopes of an aggregate have its events in order, with time, version and position."""
        async with new_store([]) as store, opened_bank(store) as bank:
            found = await bank.stream("a", version=2)
            assert [each.message for each in found] == [
                Opened(account_id="a"),
                Deposited(account_id="a", amount=Decimal(1)),
            ]
            assert [(each.stream, each.version, each.time) for each in found] == [
                ("account-a", 1, NOON), ("account-a", 2, NOON + timedelta(hours=1)),
            ]  # fmt: skip
            assert [each.position for each in found] == (await bank.positions())[:2]

    async def test_events_as_of_a_position(self, new_store: NewStore) -> None:
        """Events are selected by classes and tags up to a position, in the order of the log. Later events change nothing."""
        seats = select(SeatTaken, SeatReleased, course_id="c1")
        async with new_store([]) as store, opened_bank(store) as bank:
            await bank.app.dispatch(TakeSeat(course_id="c1", student_id="s1"))
            await bank.app.dispatch(TakeSeat(course_id="c2", student_id="s2"))
            taken = (await bank.envelopes(seats))[-1]
            await bank.app.dispatch(ReleaseSeat(course_id="c1", student_id="s1"))
            as_of = await bank.envelopes(seats, as_of=taken.position)
            assert as_of == [taken]
            now = await bank.envelopes(seats, select(SeatTaken, student_id="s2"))
            assert [type(each.message) for each in now] == [SeatTaken, SeatTaken, SeatReleased]

    async def test_events_are_folded_as_of_a_time(self, new_store: NewStore) -> None:
        """A decision model gets the events up to a time, more than one statement reads."""
        async with new_store([]) as store, opened_bank(store) as bank:
            for number in (1_200, 1):
                await bank.app.dispatch(Note(number=number))
                bank.clock.advance(timedelta(hours=1))
            as_of = NOON + timedelta(hours=3)
            notes = await bank.ask(lambda history: history.fold(Notes(), select(Noted), as_of=as_of))
            assert notes.number == 1_200

    async def test_a_limit_that_is_not_valid(self, new_store: NewStore) -> None:
        """A time without a zone and a number out of range are refused before anything is read."""
        limits: list[dict[str, Any]] = [{"as_of": each} for each in (NOON.replace(tzinfo=None), -1, 2**63, "1")]
        async with new_store([]) as store, opened_bank(store) as bank:
            for limit in (*limits, {"version": -1}, {"version": True}):
                with pytest.raises(InvalidFind, match="cannot read the history"):
                    await bank.balance(**limit)
            for limit in limits:
                with pytest.raises(InvalidFind, match="cannot read the history"):
                    await bank.envelopes(select(Noted), **limit)

    async def test_wrong_uses(self, new_store: NewStore) -> None:
        """An aggregate without a method for an event, a model without methods, and no criteria are errors."""
        async with new_store([]) as store, opened_bank(store) as bank:
            with pytest.raises(ConfigurationError, match="has no method for Opened"):
                await bank.ask(lambda history: history.aggregate(Silent, "a"))
            with pytest.raises(InvalidDefinition, match="cannot fold"):
                await bank.ask(lambda history: history.fold(object(), select(Noted)))
            with pytest.raises(ConfigurationError, match="without criteria"):
                await bank.envelopes()
