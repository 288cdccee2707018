"""The types that mypy and pyright infer for Twofold, without a plugin. Checked by `make check`; never executed.

Each line that must be refused carries both checkers' ignores: one that refuses nothing is an error itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import assert_type

from twofold import (
    Answer,
    Application,
    CommandBus,
    EventBus,
    QueryBus,
    ReadModel,
    RemoteCommandBus,
    RemoteQueryBus,
    RemoteSession,
    Repository,
    Router,
    Rows,
    Session,
    any_of,
    gt,
    ne,
    on,
    one_of,
)

from .domain import Every, Get, Paid, Pay, Place, Placed, Row, Thing


async def inferred(
    commands: CommandBus,
    queries: QueryBus,
    session: Session,
    app: Application,
    things: Repository[Thing],
    rows: ReadModel[Row],
) -> None:
    assert_type(await commands.dispatch(Place(number=1)), str)
    assert_type(await commands.dispatch(Pay(number=1)), None)
    assert_type(await queries.execute(Get(number=1)), Row | None)
    assert_type(await session.dispatch(Place(number=1)), str)
    assert_type(await session.execute(Get(number=1)), Row | None)
    assert_type(await session.execute_stale(Get(number=1)), Answer[Row | None])
    assert_type(await app.dispatch(Place(number=1)), str)
    assert_type(await app.dispatch(Place(number=1), idempotency_key="k"), str)
    assert_type(await app.session().receive("consumer", "id", Place(number=1)), bool)
    assert_type(await app.execute(Get(number=1)), Row | None)
    assert_type(await session.execute(Get(number=1), timeout=1.0, after="token"), Row | None)
    assert_type(await app.execute(Get(number=1), timeout=1.0, after="token"), Row | None)
    await session.execute(Get(number=1), on_stale="return")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await app.execute(Get(number=1), on_stale="return")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    assert_type(app.sync.dispatch(Place(number=1), idempotency_key="k"), str)
    assert_type(app.sync.execute(Get(number=1)), Row | None)
    assert_type(app.sync.session().dispatch(Pay(number=1)), None)
    assert_type(app.sync.session().execute(Get(number=1), after="token"), Row | None)
    assert_type(app.sync.session().execute_stale(Get(number=1)), Answer[Row | None])
    assert_type(await things.get("1"), Thing)
    assert_type(await things.find("1"), Thing | None)
    assert_type(await rows.get(1), Row | None)
    assert_type(await rows.find(), Rows[Row])
    assert_type(await rows.find({"number": any_of(gt(5), one_of([1, 2]), ne(3), None)}), Rows[Row])
    assert_type(await rows.count({"number": ne(None)}), int)
    one_of(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async with aclosing(session.stream(Every())) as every:
        async for row in every:
            assert_type(row, Row)


async def inferred_elsewhere(commands: RemoteCommandBus, queries: RemoteQueryBus, session: RemoteSession) -> None:
    assert_type(await commands.dispatch(Place(number=1)), str)
    assert_type(await queries.execute(Get(number=1)), Row | None)
    assert_type(await session.dispatch(Place(number=1), idempotency_key="k"), str)
    assert_type(await session.execute(Get(number=1), after=session.token), Row | None)
    await session.dispatch(Get(number=1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await session.execute(Place(number=1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


router = Router("typed")
commands = CommandBus()
events = EventBus()


@router.command_handler(Place)
async def place(command: Place, things: Repository[Thing]) -> str:
    return "placed"


@router.command_handler(Place)
def place_sync(command: Place, things: Repository[Thing]) -> str:
    return "placed"


@router.command_handler(Place)
class PlaceHandler:
    def __init__(self, things: Repository[Thing]) -> None: ...

    async def __call__(self, command: Place) -> str:
        return "placed"


@router.query_handler(Get, reads="rows")
async def get(query: Get, rows: ReadModel[Row]) -> Row | None:
    return await rows.get(query.number)


@router.query_handler(Every)
async def every(query: Every, rows: ReadModel[Row]) -> AsyncIterator[Row]:
    for row in (await rows.find()).items:
        yield row


@router.event_handler(Placed, name="react")
async def react(event: Placed) -> None: ...


@commands.handler(Place)
async def alone(command: Place) -> str:
    return "placed"


class Projection:
    @on(Placed)
    async def placed(self, event: Placed) -> None: ...

    @on(Placed, Paid)
    async def either(self, event: Placed | Paid) -> None: ...


@router.command_handler(Place)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
async def wrong_command(command: Pay) -> str:
    return "placed"


@router.command_handler(Place)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
async def wrong_result(command: Place) -> int:
    return 1


@router.command_handler(Place)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
async def wrong_result_with_injection(command: Place, things: Repository[Thing]) -> int:
    return 1


@router.command_handler(Place)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
def wrong_result_sync(command: Place) -> int:
    return 1


@router.command_handler(Place)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
class WrongResult:
    async def __call__(self, command: Place) -> int:
        return 1


@router.query_handler(Get)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
async def wrong_query(query: Every) -> Row | None:
    return None


@router.query_handler(Get)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
async def wrong_answer(query: Get) -> str:
    return "answer"


@router.event_handler(Placed, name="wrong")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
async def wrong_event(event: Paid) -> None: ...


@commands.handler(Place)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
async def wrong_alone(command: Place) -> int:
    return 1


@events.handler(Placed)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
async def wrong_event_alone(event: Paid) -> None: ...


class WrongProjection:
    @on(Placed)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async def placed(self, event: Paid) -> None: ...
