"""Servers that stop: they finish the requests that they have begun, and leave the others to other servers."""

from __future__ import annotations

import anyio
from anyio.abc import TaskStatus

from twofold.ports import Request, Requests

from .._tools.in_time import in_time, until
from .._tools.requests_opened import LONG, NAME, SHORT, Held, NewRequests, asking, echo, request, serving


class LeavingCases:
    """The cases of `RequestsSuite` about servers that stop."""

    async def test_leaving_waits_for_running_requests(self, new_requests: NewRequests) -> None:
        """A server that stops finishes the requests that it has begun."""
        answer = Held()
        async with new_requests() as connect:
            client, server = await connect(), await connect()
            async with server.serve(NAME, echo):
                pass
            async with anyio.create_task_group() as tasks, asking(client, request("hello")) as replies:
                async with server.serve(NAME, answer):
                    with in_time():
                        await answer.first.wait()
                    tasks.start_soon(answer.let_go, SHORT / 4)
                with in_time():
                    await replies.came.wait()
                assert replies.replies == [b"re: hello"]
            assert len(answer.begun) == 1

    async def test_leaving_by_cancellation_waits_too(self, new_requests: NewRequests) -> None:
        """A cancelled server finishes the requests that it has begun. No request is handled twice."""
        answer, under_way = Held(), list[int]()

        async def serve(server: Requests, *, task_status: TaskStatus[anyio.CancelScope]) -> None:
            await serving(server, answer, task_status=task_status)
            under_way.append(answer.together)

        async with new_requests() as connect:
            client, server = await connect(), await connect()
            async with anyio.create_task_group() as tasks:
                scope = await tasks.start(serve, server)
                async with asking(client, request("hello", key="k")) as replies:
                    with in_time():
                        await answer.first.wait()
                    scope.cancel()
                    tasks.start_soon(answer.let_go, SHORT / 4)
                    with in_time():
                        await replies.came.wait()
                assert replies.replies == [b"re: hello"]
            assert len(answer.begun) == 1
            assert under_way == [0]

    async def test_waiting_requests_are_left_to_another_server(self, new_requests: NewRequests) -> None:
        """A stopping server begins no further request. The next server answers those that it left."""
        leaving, successor = Held(), Held(0)
        first, second, third = request("1", key="k"), request("2", key="k"), request("3")
        async with new_requests() as connect:
            client, server, other = await connect(), await connect(), await connect()
            async with anyio.create_task_group() as tasks:
                async with server.serve(NAME, leaving, concurrency=1):
                    tasks.start_soon(_ask, client, first)
                    with in_time():
                        await leaving.first.wait()
                    tasks.start_soon(_ask, client, second)
                    tasks.start_soon(_ask, client, third)
                    await anyio.sleep(
                        SHORT / 2
                    )  # usually both requests reach the server; the other server handles late ones as well
                    tasks.start_soon(leaving.let_go, SHORT / 4)
                async with other.serve(NAME, successor):
                    await until(
                        lambda: len(leaving.begun) + len(successor.begun) == 3,
                        "the successor was to get what was left",
                        seconds=LONG,
                    )
            assert leaving.begun == [first]
            assert sorted(successor.begun) == sorted([second, third])


async def _ask(client: Requests, sent: Request) -> None:
    await client.request(NAME, sent, seconds=LONG)
