"""Requests: each gets its own reply before its deadline, in order per key, and another server takes over from a dead one."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from anyio.abc import TaskStatus

from twofold._encoding.round_trip import round_trip_of
from twofold._remote.wire import decode_reply, decode_request, encode_request, encode_result
from twofold.errors import MessageTooLarge, NoRemoteService, RemoteTimeout
from twofold.ports import LARGEST_BODY, Answerer, Request, Requests

from .._domain.value_classes import families
from .._domain.value_samples import samples
from .._domain.value_ways import accepted, named, same
from .._tools.in_time import in_time
from .._tools.requests_opened import LONG, NAME, SHORT, Held, NewRequests, asking, echo, request, serving
from .requests_leaving import LeavingCases


class RequestsSuite(LeavingCases):
    """The promises of a broker about requests. Needs the fixture `new_requests`.

    `new_requests` opens a broker without servers and returns a function that connects to it. Each call returns an open
    adapter, as another process would have it. The adapter is closed with the broker.
    """

    many = 200
    """The number of concurrent requests."""

    async def test_a_request_is_answered(self, new_requests: NewRequests) -> None:
        """The server receives id, key and body unchanged, and the client receives the reply unchanged."""
        text = '{"note": "naïve ☕ 日本語", "line": "\\n\\u0000"}'
        seen: list[Request] = []

        async def answer(asked: Request) -> bytes:
            seen.append(asked)
            return asked.body[::-1] + b"\x00\xff"

        async with new_requests() as connect, (await connect()).serve(NAME, answer):
            for sent in (request(text, key="ü/☕ 1"), request(text), request("")):
                with in_time():
                    reply = await (await connect()).request(NAME, sent, seconds=LONG)
                assert reply == sent.body[::-1] + b"\x00\xff"
                assert seen.pop() == sent

    async def test_every_value_arrives(self, new_requests: NewRequests) -> None:
        """A field of a command, and a result, of each type of value arrive unchanged."""
        families_by_name = {each.later.message_name: each for each in families().values()}
        arrived: list[Any] = []

        async def answer(asked: Request) -> bytes:
            sent = decode_request(asked.body)
            family = families_by_name[sent.name]
            arrived.append(round_trip_of(family.later).decode(sent.data).value)
            return encode_result(family.answer, arrived[-1], "")

        async with new_requests() as connect, (await connect()).serve(NAME, answer):
            client = await connect()
            for sample in samples():
                if accepted(sample, "remote command") and accepted(sample, "remote result"):
                    family = families()[sample.field]
                    body = encode_request(family.later(sample=0, value=sample.value), None, "")
                    with in_time():
                        reply = await client.request(NAME, request()._replace(body=body), seconds=LONG)
                    result, _ = decode_reply(family.answer, reply, {})
                    assert same(arrived.pop(), sample.value), named(sample)
                    assert same(result, sample.value), named(sample)

    async def test_each_gets_its_own_reply(self, new_requests: NewRequests) -> None:
        """Each of many concurrent requests, from several processes to several servers, gets its own reply."""
        async with new_requests() as connect:
            clients = [await connect() for _ in range(2)]
            replies: dict[int, bytes] = {}

            async def ask(number: int) -> None:
                key = f"k{number % 17}" if number % 2 else None
                sent = request(str(number), key=key)
                replies[number] = await clients[number % 2].request(NAME, sent, seconds=LONG)

            async with (await connect()).serve(NAME, echo), (await connect()).serve(NAME, echo):
                with in_time(LONG):
                    async with anyio.create_task_group() as tasks:
                        for number in range(self.many):
                            tasks.start_soon(ask, number)
            assert replies == {number: f"re: {number}".encode() for number in range(self.many)}

    async def test_a_request_without_a_server(self, new_requests: NewRequests) -> None:
        """A request to a name that no server has ever used fails immediately."""
        async with new_requests() as connect:
            client = await connect()
            async with (await connect()).serve("another", echo):
                with in_time(), pytest.raises(NoRemoteService):
                    await client.request(NAME, request(), seconds=LONG)

    async def test_a_deadline_passes(self, new_requests: NewRequests) -> None:
        """A request without a reply fails at its deadline.

        The late reply is dropped and never reaches another request.
        """
        answer = Held()
        async with new_requests() as connect, (await connect()).serve(NAME, answer):
            client = await connect()
            with pytest.raises(NoRemoteService):  # the client is connected from here on
                await client.request("nobody", request(), seconds=LONG)
            with in_time(), pytest.raises(RemoteTimeout):
                await client.request(NAME, request("late"), seconds=SHORT)
            answer.go.set()
            for text in ("a", "b"):
                with in_time():
                    assert await client.request(NAME, request(text), seconds=LONG) == f"re: {text}".encode()

    async def test_nothing_begins_after_its_deadline(self, new_requests: NewRequests) -> None:
        """A request that no server has received before its deadline is never handled."""
        answer = Held(0)
        async with new_requests() as connect:
            client = await connect()
            async with (await connect()).serve(NAME, echo):
                with in_time():  # the client is connected, and the next requests are sent long before their deadline
                    await client.request(NAME, request("at once"), seconds=LONG)
            with in_time(), pytest.raises(RemoteTimeout):
                await client.request(NAME, request("late"), seconds=SHORT)
            async with (await connect()).serve(NAME, answer):
                with in_time():
                    await client.request(NAME, request("in time"), seconds=LONG)
            assert [asked.body for asked in answer.begun] == [b"in time"]

    async def test_a_server_comes_in_time(self, new_requests: NewRequests) -> None:
        """A request waits for a server until its deadline."""
        async with new_requests() as connect:
            client, server = await connect(), await connect()
            async with server.serve(NAME, echo):
                pass
            async with asking(client, request("early")) as replies:
                await anyio.sleep(
                    SHORT / 4
                )  # most often it waits by now; a request that comes later is answered as well
                async with server.serve(NAME, echo):
                    with in_time():
                        await replies.came.wait()
            assert replies.replies == [b"re: early"]

    async def test_another_answers_for_one_that_dies(self, new_requests: NewRequests) -> None:
        """If a server is cancelled while it handles a request, another server receives the request with the same id."""
        dying = Held()
        async with new_requests() as connect:
            sent = request("hello", key="k")
            client, server, successor = await connect(), await connect(), await connect()
            async with anyio.create_task_group() as tasks:
                scope = await tasks.start(serving, server, dying)
                async with asking(client, sent) as replies:
                    with in_time():
                        await dying.first.wait()
                    scope.cancel()
                    answer = Held(0)
                    async with successor.serve(NAME, answer):
                        with in_time(LONG):
                            await replies.came.wait()
                assert replies.replies == [b"re: hello"]
                assert dying.begun == answer.begun == [sent]

    async def test_requests_of_a_key_take_turns(self, new_requests: NewRequests) -> None:
        """Requests of one key are handled one after another, in the order of arrival, even by several servers."""
        answer = Held()
        async with new_requests() as connect:
            client = await connect()
            sent = [request(str(number), key="k") for number in range(12)]
            one, other = await connect(), await connect()
            async with one.serve(NAME, answer, partitions=2), other.serve(NAME, answer, partitions=2):
                with in_time(LONG):
                    async with anyio.create_task_group() as tasks:
                        for each in sent:
                            await tasks.start(_asking, client, each)
                            await answer.first.wait()
                        answer.go.set()
            assert answer.begun == sent
            assert answer.most == 1

    async def test_other_keys_do_not_wait(self, new_requests: NewRequests) -> None:
        """While a request is handled, requests with other keys and without a key are answered."""
        answer = Held()
        async with new_requests() as connect, (await connect()).serve(NAME, answer):
            client = await connect()
            async with asking(client, request("slow", key="a")) as slow:
                with in_time():
                    await answer.first.wait()
                    for key in ("b", "c", None, None):
                        assert await client.request(NAME, request("x", key=key), seconds=LONG) == b"re: x"
                assert not slow.replies
                answer.go.set()
            assert slow.replies == [b"re: slow"]

    async def test_a_request_whose_handler_raises_is_redelivered(self, new_requests: NewRequests) -> None:
        """A request whose handler raises is delivered again, with the same id, until a reply is sent."""
        seen: list[Request] = []

        async def answer(asked: Request) -> bytes:
            seen.append(asked)
            if len(seen) < 3:
                raise ConnectionError("the database is away")
            return await echo(asked)

        async with new_requests() as connect, (await connect()).serve(NAME, answer):
            sent = request("hello", key="k")
            with in_time(LONG):
                assert await (await connect()).request(NAME, sent, seconds=LONG) == b"re: hello"
            assert seen == [sent] * 3

    async def test_a_body_has_a_limit(self, new_requests: NewRequests) -> None:
        """A body of the maximum size is delivered. A larger body raises an error and is not sent."""
        seen: list[Request] = []

        async def answer(asked: Request) -> bytes:
            seen.append(asked)
            return asked.body

        async with new_requests() as connect, (await connect()).serve(NAME, answer):
            client = await connect()
            with pytest.raises(MessageTooLarge):
                await client.request(NAME, request("x" * (LARGEST_BODY + 1)), seconds=LONG)
            with in_time():
                assert await client.request(NAME, request("x" * LARGEST_BODY), seconds=LONG) == b"x" * LARGEST_BODY
            assert len(seen) == 1

    async def test_a_reply_has_a_limit(self, new_requests: NewRequests) -> None:
        """A reply of the maximum size is delivered.

        A larger reply raises an error immediately, and the request is not handled again.
        """
        sizes = {b"largest": LARGEST_BODY, b"larger": LARGEST_BODY + 1, b"next": 1}
        seen: list[bytes] = []

        async def answer(asked: Request) -> bytes:
            seen.append(asked.body)
            return b"x" * sizes[asked.body]

        async with new_requests() as connect, (await connect()).serve(NAME, answer):
            client = await connect()
            with in_time(LONG / 2):
                assert len(await client.request(NAME, request("largest"), seconds=LONG)) == LARGEST_BODY
                with pytest.raises(MessageTooLarge, match=str(LARGEST_BODY)):
                    await client.request(NAME, request("larger"), seconds=LONG)
                assert await client.request(NAME, request("next"), seconds=LONG) == b"x"
            assert seen == list(sizes)

    async def test_the_number_of_concurrent_requests_is_limited(self, new_requests: NewRequests) -> None:
        """A server handles at most `concurrency` requests at the same time, whatever their keys."""
        answer = Held(2)
        async with new_requests() as connect, (await connect()).serve(NAME, answer, concurrency=2):
            client = await connect()
            with in_time(LONG):
                async with anyio.create_task_group() as tasks:
                    for number in range(8):
                        tasks.start_soon(_ask, client, request(key=f"k{number}" if number % 2 else None))
                    await answer.full.wait()
                    tasks.start_soon(answer.let_go, SHORT / 4)
            assert answer.most == 2

    async def test_services_do_not_mix(self, new_requests: NewRequests) -> None:
        """Each service receives only the requests that are sent to its name."""

        def named(name: str) -> Answerer:
            async def answer(asked: Request) -> bytes:
                return name.encode()

            return answer

        async with (
            new_requests() as connect,
            (await connect()).serve("a", named("a")),
            (await connect()).serve("b", named("b")),
        ):
            client = await connect()
            for name in "abba":
                with in_time():
                    assert await client.request(name, request(key="k"), seconds=LONG) == name.encode()


async def _asking(client: Requests, sent: Request, *, task_status: TaskStatus[None]) -> None:
    """Send a request. The call has begun when `start` returns."""
    task_status.started()
    await _ask(client, sent)


async def _ask(client: Requests, sent: Request) -> None:
    await client.request(NAME, sent, seconds=LONG)
