"""Brokers that mix up, lose or reorder requests and their replies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from typing import Any

import anyio

from tests.brokers import REQUESTS
from tests.mutants.combinators import changing, changing_result, for_each, instead, raising, replacing, without_zeros
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import at, unbroken_requests
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
    """Begin and answer every request, even while the server stops."""
    free = anyio.Semaphore(concurrency)

    async def answered(request: Request) -> bytes:
        async with free:
            return await answer(request)

    async with requests.serve(service, answered, concurrency=100, **options):
        yield


class NextReply(Proxy):
    """Returns the oldest reply that was not returned yet, even a late one."""

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
    """Returns the newest reply."""

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        await self.inner.request(service, request, seconds=seconds)
        await anyio.sleep(0.02)
        return self._replies.pop()


class OnlyNow(Proxy):
    """Fails if there is no server at the moment."""

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
    return at("connection", changing("request", request=change))


def answering(change: Callable[[Answerer], Answerer]) -> Any:
    """Change how requests are answered."""
    return at("connection", changing("serve", answer=change))


delivering_once = for_each(lambda _: answering(partial(_answering_once, set())))


MUTANTS: Mutants = {
    "test_a_request_is_answered": {
        "only ASCII is carried": requesting(
            lambda request: request._replace(body=request.body.decode().encode("ascii", "replace"))
        ),
        "replies are texts": at(
            "connection", changing_result("request", to=lambda reply: reply.decode("utf-8", "replace").encode())
        ),
    },
    "test_every_value_arrives": {
        "requests drop trailing zeros": requesting(
            lambda request: request._replace(body=without_zeros(request.body.decode()).encode())
        ),
        "replies drop trailing zeros": at(
            "connection", changing_result("request", to=lambda reply: without_zeros(reply.decode()).encode())
        ),
    },
    "test_a_request_whose_handler_raises_is_redelivered": {
        "ids are made anew": answering(_with_new_ids),
        "what failed is given up": delivering_once,
        "errors are replies": answering(_with_errors_as_replies),
    },
    "test_each_gets_its_own_reply": {
        "replies are mixed up": for_each(lambda _: at("connection", partial(LastReply, replies=[])))
    },
    "test_a_deadline_passes": {
        "late replies are delivered": for_each(lambda _: at("connection", partial(NextReply, replies=[]))),
        "deadlines are passed over": at("connection", changing("request", seconds=lambda seconds: seconds + 60)),
    },
    "test_a_request_without_a_server": {
        "no service is no error": at(
            "connection", raising(lambda _: RemoteTimeout("no reply"), "request", of=NoRemoteService)
        )
    },
    "test_nothing_begins_after_its_deadline": {
        "late requests are begun": at("connection", instead(request=_leave_it_when_late))
    },
    "test_a_server_comes_in_time": {
        "nobody waits for a server": for_each(lambda _: at("connection", partial(OnlyNow, serving=[])))
    },
    "test_another_answers_for_one_that_dies": {"the dead take their requests along": delivering_once},
    "test_requests_of_a_key_take_turns": {
        "keys do not take turns": requesting(lambda request: request._replace(key=None))
    },
    "test_other_keys_do_not_wait": {"all keys take turns": requesting(lambda request: request._replace(key="one"))},
    "test_a_body_has_a_limit": {
        "what is too large is cut": requesting(lambda request: request._replace(body=request.body[:LARGEST_BODY]))
    },
    "test_leaving_waits_for_running_requests": {
        "leaving stops what is under way": at("connection", instead(serve=_serve_and_abandon))
    },
    "test_leaving_by_cancellation_waits_too": {
        "leaving by cancellation stops it": at(
            "connection", instead(serve=partial(_serve_and_abandon, only_cancelled=True))
        )
    },
    "test_waiting_requests_are_left_to_another_server": {
        "what waits is begun while leaving": at("connection", instead(serve=_serve_greedily))
    },
    "test_the_number_of_concurrent_requests_is_limited": {
        "any number is handled at once": at("connection", replacing("serve", concurrency=100))
    },
    "test_a_reply_has_a_limit": {"large replies are cut": answering(_with_short_replies)},
    "test_services_do_not_mix": {"services are one": at("connection", replacing("request", "serve", service="all"))},
}


class TestMutants(MutantSuite):
    """Broken brokers."""

    suite = RequestsSuite
    mutants = MUTANTS
    kinds = REQUESTS
    opener = "new_requests"
    unbroken = staticmethod(unbroken_requests)
