"""Subscriptions to base classes of events, and to all events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from twofold import AggregateRemoved, Command, Event, ReadModel, Router, UnitOfWork, on
from twofold.ports import Expected, NewEvent

from .._domain.audit import ONCE, Audit, GetAudit, audited, running, settled
from .._domain.bank import Close, Open, Opened
from .._tools.opened import NewStore, writing


class Moved(Event):
    """A base class: it has no stable name, so that no event of this class itself is recorded."""

    account_id: str


class MovedIn(Moved, name="suite.moved_in"):
    pass


class MovedOut(Moved, name="suite.moved_out"):
    pass


class MovedFar(MovedOut, name="suite.moved_far"):
    pass


MOVES: Final[tuple[type[Moved], ...]] = (MovedIn, MovedOut, MovedFar)


class Move(Command[None]):
    """Records one event of each class for an account."""

    account_id: str


def moving(received: dict[str, list[str]]) -> Router:
    """Return a router with the command `Move`, and with subscriptions that collect the names of the classes they receive.

    Args:
        received: the names by subscription.
    """
    router = Router("moving")

    @router.command_handler(Move)
    async def move(command: Move, unit: UnitOfWork) -> None:
        for event_type in MOVES:
            unit.record(event_type(account_id=command.account_id), stream=f"moves-{command.account_id}")

    @router.event_handler(Moved, name="moved", start="beginning", retry=ONCE)
    async def moved(event: Moved) -> None:
        received.setdefault("moved", []).append(f"{type(event).__name__} {event.account_id}")

    @router.event_handler(MovedOut, name="moved out", start="beginning", retry=ONCE)
    async def moved_out(event: MovedOut) -> None:
        received.setdefault("moved out", []).append(f"{type(event).__name__} {event.account_id}")

    @router.event_handler(Event, name="everything", start="beginning", retry=ONCE)
    async def everything(event: Event) -> None:
        received.setdefault("everything", []).append(type(event).__name__)

    return router


def most_specific() -> Router:
    """Return a router with the projection "audit", which has methods on a base class and on a subclass of it."""
    router = Router("most specific")

    @router.projection("audit")
    class Moves:
        def __init__(self, rows: ReadModel[Audit]) -> None:
            self.rows = rows

        @on(Moved)
        async def moved(self, event: Moved) -> None:
            await self._add(event, "moved")

        @on(MovedOut)
        async def out(self, event: MovedOut) -> None:
            await self._add(event, "out")

        async def _add(self, event: Moved, entry: str) -> None:
            row = await self.rows.get(event.account_id)
            seen = row.seen if row is not None else ()
            await self.rows.put(Audit(account_id=event.account_id, seen=(*seen, f"{type(event).__name__} {entry}")))

    @router.query_handler(GetAudit, reads="audit")
    async def get_audit(query: GetAudit, rows: ReadModel[Audit]) -> Audit | None:
        return await rows.get(query.account_id)

    return router


class BaseClasses:
    """The cases of `SubscriptionSuite` about base classes of events."""

    async def test_a_handler_of_a_base_class_receives_every_subclass(self, new_store: NewStore) -> None:
        """A handler of a base class receives each event of each subclass once. A handler of `Event` receives every event."""
        received: dict[str, list[str]] = {}
        async with new_store([]) as store, running(store, moving(received)) as app:
            await app.dispatch(Open(account_id="a"))
            await app.dispatch(Move(account_id="a"))
            await app.dispatch(Close(account_id="a"))
            await settled(app)
            assert {each.parked for each in await app.operations.status()} == {0}
        names = [each.__name__ for each in MOVES]
        assert received["moved"] == [f"{name} a" for name in names]
        assert received["moved out"] == [f"{name} a" for name in names[1:]]
        assert sorted(received["everything"]) == sorted([Opened.__name__, *names, AggregateRemoved.__name__])

    async def test_an_event_is_applied_by_the_most_specific_method(self, new_store: NewStore) -> None:
        """A projection applies an event by one method: the one on its class, or else on the nearest base class."""
        async with new_store([]) as store, running(store, moving({}), most_specific()) as app:
            await app.dispatch(Move(account_id="a"))
            await settled(app)
            assert await audited(app, "a") == {"a": ("MovedIn moved", "MovedOut out", "MovedFar out")}

    async def test_an_event_of_an_unknown_type_is_parked_for_a_handler_of_all_events(self, new_store: NewStore) -> None:
        """An event that another application wrote to the log, and that this one has no class for, is not skipped.

        A handler of all events parks it. A handler of a base class does not read it.
        """
        received: dict[str, list[str]] = {}
        metadata = f'{{"correlation_id":"{uuid4()}"}}'
        unknown = NewEvent(uuid4(), "suite.of_another_service", 1, "{}", metadata, datetime.now(UTC))
        async with new_store([]) as store, running(store, moving(received)) as app:
            async with writing(store) as transaction:
                await transaction.log.append("another-1", [unknown], expected=Expected.NO_STREAM)
            await app.dispatch(Move(account_id="a"))
            await settled(app)
            parked = await app.operations.parked("everything")
            assert [(each.event.id, each.key) for each in parked] == [(unknown.id, "another-1")]
            assert unknown.name in parked[0].reason
            assert await app.operations.parked("moved") == []
        assert received["everything"] == [each.__name__ for each in MOVES]
