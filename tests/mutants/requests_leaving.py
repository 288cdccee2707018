"""What brokers that are broken on purpose have in common, and servers that begin or stop badly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from twofold.ports import Answerer, Request

from .broken import Around


class Broker(Around):
    """An adapter that wraps what requesters ask and what servers answer."""

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        reply: bytes = await self.inner.request(service, request, seconds=seconds)
        return reply

    @asynccontextmanager
    async def serve(self, service: str, answer: Answerer, **options: Any) -> AsyncIterator[None]:
        async with self.inner.serve(service, self.answering(answer), **options):
            yield

    def answering(self, answer: Answerer) -> Answerer:
        return answer


class Abandons(Broker):
    """Stops what is under way when it leaves."""

    also_at_the_end = True

    @asynccontextmanager
    async def serve(self, service: str, answer: Answerer, **options: Any) -> AsyncIterator[None]:
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

        async with self.inner.serve(service, answered, **options):
            try:
                yield
            except anyio.get_cancelled_exc_class():
                left.set()
                raise
            if self.also_at_the_end:
                left.set()


class AbandonsWhenCancelled(Abandons):
    """Stops what is under way when it is cancelled."""

    also_at_the_end = False


class Greedy(Broker):
    """Takes as many requests as come, and answers them however long it has been leaving."""

    @asynccontextmanager
    async def serve(self, service: str, answer: Answerer, **options: Any) -> AsyncIterator[None]:
        free = anyio.Semaphore(options.pop("concurrency", 16))

        async def answered(request: Request) -> bytes:
            async with free:
                return await answer(request)

        async with self.inner.serve(service, answered, concurrency=100, **options):
            yield


class AllAtOnce(Broker):
    """Handles as many requests as come."""

    @asynccontextmanager
    async def serve(self, service: str, answer: Answerer, **options: Any) -> AsyncIterator[None]:
        async with self.inner.serve(service, answer, **{**options, "concurrency": 100}):
            yield
