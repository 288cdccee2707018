"""Publish to streams: one round trip for a batch, and one script for each stream."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import groupby
from typing import Any

from twofold.errors import StorageError, TransientFailure
from twofold.ports import Outcome, WireMessage, check_body, logger_of

from .._server.keys import StreamKeys
from .._server.server import Argument, Call, Script, Server
from . import scripts
from .batch import Batch

logger = logger_of("twofold.redis")

_OUTCOMES = {
    scripts.CONFIRMED: Outcome.CONFIRMED,
    scripts.UNROUTABLE: Outcome.UNROUTABLE,
    scripts.UNSENT: Outcome.UNSENT,
    scripts.BEHIND: Outcome.BEHIND,
}


class StreamPublisher:
    """Publishes to the streams; see `Publisher`.

    A call that waits for a stream does not send its messages if an earlier call has an unknown outcome there.
    """

    def __init__(self, server: Server, keys: StreamKeys, partitions: int) -> None:
        self._server = server
        self._keys = keys
        self._partitions = partitions
        self._locks = [asyncio.Lock() for _ in range(partitions)]
        self._failures = [0] * partitions
        self.problem: str | None = None
        """Why the last message was not confirmed; see `Publisher`."""

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        """Publish messages, and return the outcome of each."""
        for message in messages:
            check_body(message.body, f"publish {message.topic} {message.id}")
        batch, failed = Batch(messages, list(self._failures)), sum(self._failures)
        try:
            async with asyncio.timeout(self._server.seconds):
                for for_all, indexes in groupby(range(len(messages)), lambda index: messages[index].key is None):
                    for run in ([each] for each in indexes) if for_all else [list(indexes)]:
                        await self._publish(batch, run, for_all=for_all)
        except (TimeoutError, TransientFailure, StorageError) as error:
            # By now the outcomes are UNKNOWN for messages that were sent, and UNSENT for the others.
            self._failed(str(error) or f"no answer within {self._server.seconds:g} s")
        else:
            if sum(self._failures) == failed:
                self.problem = None
        return batch.outcomes

    async def kept(self, topic: str) -> Sequence[bytes]:
        """Return the last message without a key on a topic, of each stream that has one."""
        found = await self._server.each(self._marks(scripts.MARK, topic), f"read the last message on {topic}")
        return [body for body in found if body is not None]

    async def resume(self, topic: str) -> None:
        """Accept messages without a key on a topic again."""
        await self._server.each(self._marks(scripts.TRUST, topic), f"resume publishing on {topic}")

    def _marks(self, script: Script, topic: str) -> list[Call]:
        return [Call(script, [self._keys.of(number, "marks")], [topic]) for number in range(self._partitions)]

    def _failed(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            logger.warning("messages are not published, or not confirmed: %s", problem)

    async def _publish(self, batch: Batch, indexes: list[int], *, for_all: bool) -> None:
        if for_all:
            if any(outcome is not Outcome.CONFIRMED for outcome in batch.outcomes[: indexes[0]]):
                return
            wanted = dict.fromkeys(range(self._partitions), indexes)
        else:
            wanted = batch.by_partition(indexes, self._partitions)
        async with AsyncExitStack() as locks:
            for number in sorted(wanted):
                await locks.enter_async_context(self._locks[number])
            waiting = {
                number: batch.chunks(its)
                for number, its in wanted.items()
                if self._failures[number] == batch.failures[number]
            }
            if for_all and len(waiting) < self._partitions:
                return
            await self._send(batch, waiting, for_all=for_all)

    async def _send(self, batch: Batch, waiting: dict[int, Iterator[list[int]]], *, for_all: bool) -> None:
        while chunks := {number: chunk for number, left in waiting.items() if (chunk := next(left, []))}:
            for chunk in chunks.values():
                batch.note(chunk, [Outcome.UNKNOWN] * len(chunk))
            calls = [self._call(number, batch.of(chunk)) for number, chunk in chunks.items()]
            try:
                answers = await self._server.together(calls, "publish")
            except BaseException:  # a cancellation too: calls that wait for these streams must not send
                for number in chunks:
                    self._failures[number] += 1
                raise
            self._note(batch, chunks, answers, waiting, for_all=for_all)
            if for_all:
                return

    def _note(
        self,
        batch: Batch,
        chunks: dict[int, list[int]],
        answers: Sequence[Any],
        waiting: dict[int, Iterator[list[int]]],
        *,
        for_all: bool,
    ) -> None:
        found = set[Outcome]()
        for (number, chunk), answer in zip(chunks.items(), answers, strict=True):
            if isinstance(answer, Exception):
                self._failed(f"stream {number} refused them: {answer}")
                self._failures[number] += 1
                del waiting[number]
            elif for_all:
                found.update(_OUTCOMES[each] for each in answer)
            else:
                batch.note(chunk, [_OUTCOMES[each] for each in answer])
        if for_all and (Outcome.BEHIND in found or (len(found) == 1 and len(waiting) == self._partitions)):
            (index,) = next(iter(chunks.values()))
            batch.note([index], [Outcome.BEHIND if Outcome.BEHIND in found else found.pop()])

    def _call(self, number: int, messages: Sequence[WireMessage]) -> Call:
        arguments: list[Argument] = []
        for mark, marked in groupby(messages, _mark_of):
            same = list(marked)
            arguments += (mark, len(same))
            for each in same:
                arguments += (each.id, each.topic, "" if each.key is None else f"k{each.key}", each.body)
        return Call(scripts.PUBLISH, [self._keys.of(number, name) for name in ("stream", "topics", "marks")], arguments)


def _mark_of(message: WireMessage) -> str:
    """Return the topic of the mark after which a message is published. A message for all partitions follows its own."""
    return message.topic if message.key is None else message.mark or ""
