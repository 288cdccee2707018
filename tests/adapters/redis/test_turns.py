"""A limited number of tasks run at the same time, and the others wait in order."""

from __future__ import annotations

import asyncio

from twofold.testing.conformance._tools.in_time import in_time
from twofold_redis._server.turns import Turns


class Room:
    """Lets two tasks in, and records who is inside and in which order they came."""

    def __init__(self) -> None:
        self.turns = Turns(2)
        self.inside: set[int] = set()
        self.most = 0
        self.order: list[int] = []
        self.closed = asyncio.Event()

    async def visit(self, number: int) -> None:
        """Come in, and leave once the room closes."""
        if not self.turns.take():
            await self.turns.wait()
        try:
            self.order.append(number)
            self.inside.add(number)
            self.most = max(self.most, len(self.inside))
            await self.closed.wait()
            await asyncio.sleep(0)
        finally:
            self.inside.discard(number)
            self.turns.end()


async def visits(room: Room, count: int) -> list[asyncio.Task[None]]:
    """Start visits, and return them once each has either a turn or waits for one."""
    started = [asyncio.create_task(room.visit(number)) for number in range(count)]
    for _ in range(3):
        await asyncio.sleep(0)
    return started


async def test_tasks_take_turns_in_order() -> None:
    """No more than two tasks run at the same time, and each gets its turn in the order of its coming."""
    room = Room()
    started = await visits(room, 50)
    assert room.order == [0, 1]
    room.closed.set()
    with in_time():
        await asyncio.gather(*started)
    assert room.order == list(range(50))
    assert room.most == 2


async def test_a_cancelled_task_leaves_its_turn() -> None:
    """Neither tasks that are cancelled while they wait, nor tasks that are cancelled with a turn, use up turns."""
    room = Room()
    for _ in range(5):
        started = await visits(room, 20)
        started[0].cancel()  # it has a turn, which the third task gets
        await asyncio.sleep(0)
        for each in started[2:]:  # some of them wait, and the third one may have got its turn just now
            each.cancel()
        room.closed.set()
        with in_time():
            await asyncio.gather(*started, return_exceptions=True)
        room.closed.clear()
    started = await visits(room, 3)
    assert len(room.inside) == room.most == 2
    room.closed.set()
    with in_time():
        await asyncio.gather(*started)
