"""Brokers that mix up, lose or reorder requests and their replies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from typing import Any

import anyio

from tests.brokers import REQUESTS
from tests.mutants.combinators import changing, changing_result, instead, opened, raising, replacing
from tests.mutants.connections import connections
from tests.mutants.harness import MutantSuite
from tests.mutants.mutant import Mutant
from twofold.errors import NoRemoteService, RemoteTimeout
from twofold.ports import LARGEST_BODY, Answerer, Request, Requests
from twofold.testing.conformance import RequestsSuite
from twofold.testing.conformance._tools.proxy import Proxy


def _with_new_ids(answer: Answerer) -> Answerer:
    numbers = count()
    return lambda request: answer(request._replace(id=f"{request.id}-{next(numbers)}"))


def _with_errors_as_replies(answer: Answerer) -> Answerer:
    async def answered(request: Request) -> bytes:
        try:
            return await answer(request)
        except ConnectionError as error:
            return str(error).encode()

    return answered


def _with_short_replies(answer: Answerer) -> Answerer:
    async def answered(request: Request) -> bytes:
        return (await answer(request))[:LARGEST_BODY]

    return answered


async def _leave_it_when_late(requests: Requests, service: str, request: Request, *, seconds: float) -> bytes:
    with anyio.move_on_after(seconds):
        return await requests.request(service, request, seconds=seconds + 60)
    raise RemoteTimeout("no reply")


@asynccontextmanager
async def _serve_and_abandon(
    requests: Requests, service: str, answer: Answerer, *, only_cancelled: bool = False, **options: Any
) -> AsyncIterator[None]:
    """Stop the requests that are being answered when the server leaves."""
    left = anyio.Event()

    async def answered(request: Request) -> bytes:
        reply = b""
        async with anyio.create_task_group() as tasks:

            async def run() -> None:
                nonlocal reply
                reply = await answer(request)
                tasks.cancel_scope.cancel()

            tasks.start_soon(run)
            await left.wait()
            tasks.cancel_scope.cancel()
        if not reply:
            raise ConnectionError("the server has stopped")
        return reply

    async with requests.serve(service, answered, **options):
        try:
            yield
        except anyio.get_cancelled_exc_class():
            left.set()
            raise
        if not only_cancelled:
            left.set()


@asynccontextmanager
async def _serve_greedily(
    requests: Requests, service: str, answer: Answerer, *, concurrency: int = 16, **options: Any
) -> AsyncIterator[None]:
    """Take every request that comes, and answer it even while leaving."""
    free = anyio.Semaphore(concurrency)

    async def answered(request: Request) -> bytes:
        async with free:
            return await answer(request)

    async with requests.serve(service, answered, concurrency=100, **options):
        yield


class NextReply(Proxy):
    """Returns the reply that was made first and not returned yet, a late one too."""

    def __init__(self, inner: Requests, replies: list[bytes]) -> None:
        super().__init__(inner)
        self._replies = replies

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        await self.inner.request(service, request, seconds=seconds)
        return self._replies.pop(0)

    @asynccontextmanager
    async def serve(self, service: str, answer: Answerer, **options: Any) -> AsyncIterator[None]:
        async def answered(request: Request) -> bytes:
            reply = await answer(request)
            self._replies.append(reply)
            return reply

        async with self.inner.serve(service, answered, **options):
            yield


class LastReply(NextReply):
    """Returns the reply that was made last."""

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        await self.inner.request(service, request, seconds=seconds)
        await anyio.sleep(0.02)
        return self._replies.pop()


class OnlyNow(Proxy):
    """Gives up when nobody serves at the moment."""

    def __init__(self, inner: Requests, serving: list[str]) -> None:
        super().__init__(inner)
        self._serving = serving

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        if service not in self._serving:
            raise NoRemoteService("nobody is there")
        return bytes(await self.inner.request(service, request, seconds=seconds))

    @asynccontextmanager
    async def serve(self, service: str, answer: Answerer, **options: Any) -> AsyncIterator[None]:
        async with self.inner.serve(service, answer, **options):
            self._serving.append(service)
            try:
                yield
            finally:
                self._serving.remove(service)


def _answering_once(begun: set[str], answer: Answerer) -> Answerer:
    async def answered(request: Request) -> bytes:
        if request.id in begun:
            return b"lost"
        begun.add(request.id)
        return await answer(request)

    return answered


def requesting(change: Callable[[Request], Request]) -> Any:
    """Change requests on their way."""
    return connections(changing("request", request=change))


def answering(change: Callable[[Answerer], Answerer]) -> Any:
    """Change how requests are answered."""
    return connections(changing("serve", answer=change))


delivering_once = opened(lambda _: answering(partial(_answering_once, set())))

ANSWERED, AGAIN = "test_a_request_is_answered", "test_what_raises_comes_again"
LEAVING, CANCELLED = "test_leaving_waits_for_what_is_under_way", "test_leaving_by_cancellation_waits_too"

MUTANTS = (
    Mutant(
        "only ASCII is carried",
        ANSWERED,
        requesting(lambda request: request._replace(body=request.body.decode().encode("ascii", "replace"))),
    ),
    Mutant(
        "replies are texts",
        ANSWERED,
        connections(changing_result("request", to=lambda reply: reply.decode("utf-8", "replace").encode())),
    ),
    Mutant("ids are made anew", AGAIN, answering(_with_new_ids)),
    Mutant(
        "replies are mixed up",
        "test_each_gets_its_own_reply",
        opened(lambda _: connections(partial(LastReply, replies=[]))),
    ),
    Mutant(
        "late replies are delivered",
        "test_a_deadline_passes",
        opened(lambda _: connections(partial(NextReply, replies=[]))),
    ),
    Mutant(
        "deadlines are passed over",
        "test_a_deadline_passes",
        connections(changing("request", seconds=lambda seconds: seconds + 60)),
    ),
    Mutant(
        "no service is no error",
        "test_nobody_serves",
        connections(raising(lambda _: RemoteTimeout("no reply"), "request", of=NoRemoteService)),
    ),
    Mutant(
        "late requests are begun",
        "test_nothing_begins_after_its_deadline",
        connections(instead(request=_leave_it_when_late)),
    ),
    Mutant(
        "nobody waits for a server",
        "test_a_server_comes_in_time",
        opened(lambda _: connections(partial(OnlyNow, serving=[]))),
    ),
    Mutant("the dead take their requests along", "test_another_answers_for_one_that_dies", delivering_once),
    Mutant("what failed is given up", AGAIN, delivering_once),
    Mutant("errors are replies", AGAIN, answering(_with_errors_as_replies)),
    Mutant(
        "keys do not take turns",
        "test_requests_of_a_key_take_turns",
        requesting(lambda request: request._replace(key=None)),
    ),
    Mutant(
        "all keys take turns", "test_other_keys_do_not_wait", requesting(lambda request: request._replace(key="one"))
    ),
    Mutant(
        "what is too large is cut",
        "test_a_body_has_a_limit",
        requesting(lambda request: request._replace(body=request.body[:LARGEST_BODY])),
    ),
    Mutant("leaving stops what is under way", LEAVING, connections(instead(serve=_serve_and_abandon))),
    Mutant(
        "leaving by cancellation stops it",
        CANCELLED,
        connections(instead(serve=partial(_serve_and_abandon, only_cancelled=True))),
    ),
    Mutant(
        "what waits is begun while leaving",
        "test_what_waits_is_left_to_another",
        connections(instead(serve=_serve_greedily)),
    ),
    Mutant(
        "any number is handled at once",
        "test_so_many_are_handled_at_once",
        connections(replacing("serve", concurrency=100)),
    ),
    Mutant("large replies are cut", "test_a_reply_has_a_limit", answering(_with_short_replies)),
    Mutant("services are one", "test_services_do_not_mix", connections(replacing("request", "serve", service="all"))),
)


class TestMutants(MutantSuite):
    """Broken brokers."""

    suite = RequestsSuite
    mutants = MUTANTS
    kinds = REQUESTS
    opener = "new_requests"
    unbroken = staticmethod(connections(Proxy))
