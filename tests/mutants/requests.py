"""Brokers that mix up, lose or reorder requests and their replies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio

from twofold.errors import NoRemoteService, RemoteTimeout
from twofold.ports import LARGEST_BODY, Answerer, Request

from .requests_leaving import Abandons, AbandonsWhenCancelled, AllAtOnce, Broker, Greedy
from .transport_harness import BrokerMutant


class Ascii(Broker):
    """Carries nothing but ASCII."""

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        plain = request.body.decode().encode("ascii", "replace")
        return await super().request(service, request._replace(body=plain), seconds=seconds)


class TextReplies(Broker):
    """Takes every reply for a text."""

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        return (await super().request(service, request, seconds=seconds)).decode("utf-8", "replace").encode()


class NewIds(Broker):
    """Gives a request another id each time it is delivered."""

    def answering(self, answer: Answerer) -> Answerer:
        numbers = iter(range(10_000))

        async def answered(request: Request) -> bytes:
            return await answer(request._replace(id=f"{request.id}-{next(numbers)}"))

        return answered


class NextReply(Broker):
    """Gives whoever waits the next reply that comes, a late one too."""

    def __init__(self, inner: Any, replies: list[bytes]) -> None:
        super().__init__(inner)
        self._replies = replies

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        await super().request(service, request, seconds=seconds)
        return self._replies.pop(0)

    def answering(self, answer: Answerer) -> Answerer:
        async def answered(request: Request) -> bytes:
            reply = await answer(request)
            self._replies.append(reply)
            return reply

        return answered


class LastReply(NextReply):
    """Gives whoever waits the reply that came last."""

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        await self.inner.request(service, request, seconds=seconds)
        await anyio.sleep(0.02)
        return self._replies.pop()


class TimesOut(Broker):
    """Waits for a service that there never was."""

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        try:
            return await super().request(service, request, seconds=seconds)
        except NoRemoteService as error:
            raise RemoteTimeout("no reply") from error


class Patient(Broker):
    """Passes over deadlines."""

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        return await super().request(service, request, seconds=seconds + 60)


class BeginsLate(Broker):
    """Tells the requester in time, and leaves the request where it is."""

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        with anyio.move_on_after(seconds):
            return await super().request(service, request, seconds=seconds + 60)
        raise RemoteTimeout("no reply")


class OnlyNow(Broker):
    """Gives up when nobody serves at the moment."""

    def __init__(self, inner: Any, serving: list[str]) -> None:
        super().__init__(inner)
        self._serving = serving

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        if service not in self._serving:
            raise NoRemoteService("nobody is there")
        return await super().request(service, request, seconds=seconds)

    @asynccontextmanager
    async def serve(self, service: str, answer: Answerer, **options: Any) -> AsyncIterator[None]:
        async with super().serve(service, answer, **options):
            self._serving.append(service)
            try:
                yield
            finally:
                self._serving.remove(service)


class OneDelivery(Broker):
    """Delivers each request once, and gives it up when that fails."""

    def __init__(self, inner: Any, begun: set[str]) -> None:
        super().__init__(inner)
        self._begun = begun

    def answering(self, answer: Answerer) -> Answerer:
        async def answered(request: Request) -> bytes:
            if request.id in self._begun:
                return b"lost"
            self._begun.add(request.id)
            return await answer(request)

        return answered


class ErrorsAsReplies(Broker):
    """Sends the text of an error back."""

    def answering(self, answer: Answerer) -> Answerer:
        async def answered(request: Request) -> bytes:
            try:
                return await answer(request)
            except ConnectionError as error:
                return str(error).encode()

        return answered


class NoKeys(Broker):
    """Handles requests of one key at the same time."""

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        return await super().request(service, request._replace(key=None), seconds=seconds)


class OneKey(Broker):
    """Handles one request at a time."""

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        return await super().request(service, request._replace(key="one"), seconds=seconds)


class Truncates(Broker):
    """Sends the beginning of what is too large."""

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        return await super().request(service, request._replace(body=request.body[:LARGEST_BODY]), seconds=seconds)


class TruncatesReplies(Broker):
    """Sends the beginning of a reply that is too large."""

    def answering(self, answer: Answerer) -> Answerer:
        async def answered(request: Request) -> bytes:
            return (await answer(request))[:LARGEST_BODY]

        return answered


class OneService(Broker):
    """Takes all services for one."""

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        return await super().request("all", request, seconds=seconds)

    @asynccontextmanager
    async def serve(self, service: str, answer: Answerer, **options: Any) -> AsyncIterator[None]:
        async with super().serve("all", answer, **options):
            yield


def _alone(name: str, killed_by: str, broken: type[Broker]) -> BrokerMutant:
    return BrokerMutant(name, killed_by, lambda: broken)


def _together(name: str, killed_by: str, broken: Callable[[Any, Any], Broker], shared: type[Any]) -> BrokerMutant:
    """Return a mutant whose connections share something."""

    def one_broker() -> Callable[[Any], Any]:
        common = shared()
        return lambda inner: broken(inner, common)

    return BrokerMutant(name, killed_by, one_broker)


REQUESTS = (
    _alone("only ASCII is carried", "test_a_request_is_answered", Ascii),
    _alone("replies are texts", "test_a_request_is_answered", TextReplies),
    _alone("ids are made anew", "test_what_raises_comes_again", NewIds),
    _together("replies are mixed up", "test_each_gets_its_own_reply", LastReply, list),
    _together("late replies are delivered", "test_a_deadline_passes", NextReply, list),
    _alone("deadlines are passed over", "test_a_deadline_passes", Patient),
    _alone("no service is no error", "test_nobody_serves", TimesOut),
    _alone("late requests are begun", "test_nothing_begins_after_its_deadline", BeginsLate),
    _together("nobody waits for a server", "test_a_server_comes_in_time", OnlyNow, list),
    _together("the dead take their requests along", "test_another_answers_for_one_that_dies", OneDelivery, set),
    _together("what failed is given up", "test_what_raises_comes_again", OneDelivery, set),
    _alone("errors are replies", "test_what_raises_comes_again", ErrorsAsReplies),
    _alone("keys do not take turns", "test_requests_of_a_key_take_turns", NoKeys),
    _alone("all keys take turns", "test_other_keys_do_not_wait", OneKey),
    _alone("what is too large is cut", "test_a_body_has_a_limit", Truncates),
    _alone("leaving stops what is under way", "test_leaving_waits_for_what_is_under_way", Abandons),
    _alone("leaving by cancellation stops it", "test_leaving_by_cancellation_waits_too", AbandonsWhenCancelled),
    _alone("what waits is begun while leaving", "test_what_waits_is_left_to_another", Greedy),
    _alone("any number is handled at once", "test_so_many_are_handled_at_once", AllAtOnce),
    _alone("large replies are cut", "test_a_reply_has_a_limit", TruncatesReplies),
    _alone("services are one", "test_services_do_not_mix", OneService),
)
"""Each is killed by the named test of `RequestsSuite`."""
