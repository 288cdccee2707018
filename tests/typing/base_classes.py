"""A handler of a base class takes the base class. Checked by `make check`; never executed."""

from __future__ import annotations

from twofold import Event, EventBus, Router, on


class Moved(Event):
    pass


class MovedIn(Moved, name="bases.moved_in"):
    pass


router = Router("bases")
events = EventBus()


@router.event_handler(Moved, name="moved")
async def moved(event: Moved) -> None: ...


@router.event_handler(MovedIn, name="wider")
async def wider(event: Moved) -> None: ...


@router.event_handler(Event, name="everything")
async def everything(event: Event) -> None: ...


@events.handler(Moved)
async def published(event: Moved) -> None: ...


class Moves:
    @on(Moved)
    async def moved(self, event: Moved) -> None: ...

    @on(MovedIn)
    async def moved_in(self, event: MovedIn) -> None: ...


@router.event_handler(Moved, name="narrower")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
async def narrower(event: MovedIn) -> None: ...


class WrongMoves:
    @on(Moved)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async def moved(self, event: MovedIn) -> None: ...
