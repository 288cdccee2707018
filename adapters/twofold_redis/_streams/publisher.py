"""Publishing to streams: one round trip for a batch, one step on the server for what it brings to a stream."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import groupby
from typing import Any
from zlib import crc32

from twofold.errors import StorageError, TransientFailure
from twofold.ports import Outcome, WireMessage, check_body

from .._server.keys import StreamKeys
from .._server.server import Argument, Call, Server
from . import scripts

logger = logging.getLogger("twofold.redis")

_CHUNK = 256
"""How many messages go to a stream in one step at most."""

_CHUNK_BYTES = 1_048_576
"""How many bytes go to a stream in one step, unless it is one message."""

_OUTCOMES = {
    scripts.CONFIRMED: Outcome.CONFIRMED,
    scripts.UNROUTABLE: Outcome.UNROUTABLE,
    scripts.UNSENT: Outcome.UNSENT,
}


def part_of(key: str, parts: int) -> int:
    """Return the stream of a key; the same in every process and every release."""
    return crc32(key.encode()) % parts


class StreamPublisher:
    """Publishes to the streams; see `Publisher`.

    What goes to a stream behind messages of which it is not known whether they arrived is not sent.
    """

    def __init__(self, server: Server, keys: StreamKeys, parts: int) -> None:
        self._server = server
        self._keys = keys
        self._parts = parts
        self._turns = [asyncio.Lock() for _ in range(parts)]
        self._failures = [0] * parts
        self.trouble: str | None = None
        """Why the last message that was tried was not confirmed; see `Publisher`."""

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        """Publish messages; return what became of each."""
        for message in messages:
            check_body(message.body, f"publish {message.topic} {message.id}")
        batch, failed = _Batch(messages, list(self._failures)), sum(self._failures)
        try:
            async with asyncio.timeout(self._server.seconds):
                for for_all, places in groupby(range(len(messages)), lambda place: messages[place].key is None):
                    for run in ([each] for each in places) if for_all else [list(places)]:
                        await self._publish(batch, run, for_all=for_all)
        except (TimeoutError, TransientFailure, StorageError) as error:
            # What was sent is unknown by now, and the rest unsent: that is how they are returned.
            self._failed(str(error) or f"no answer within {self._server.seconds:g} s")
        else:
            if sum(self._failures) == failed:
                self.trouble = None
        return batch.outcomes

    def _failed(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            logger.warning("not published, or not known to be: %s", trouble)

    async def _publish(self, batch: _Batch, places: list[int], *, for_all: bool) -> None:
        if for_all:
            if any(outcome is not Outcome.CONFIRMED for outcome in batch.outcomes[: places[0]]):
                return
            wanted = dict.fromkeys(range(self._parts), places)
        else:
            wanted = batch.by_part(places, self._parts)
        async with AsyncExitStack() as turns:
            for part in sorted(wanted):
                await turns.enter_async_context(self._turns[part])
            waiting = {
                part: batch.chunks(its) for part, its in wanted.items() if self._failures[part] == batch.failures[part]
            }
            if for_all and len(waiting) < self._parts:
                return
            await self._send(batch, waiting, for_all=for_all)

    async def _send(self, batch: _Batch, waiting: dict[int, Iterator[list[int]]], *, for_all: bool) -> None:
        while chunks := {part: chunk for part, left in waiting.items() if (chunk := next(left, []))}:
            for chunk in chunks.values():
                batch.note(chunk, [Outcome.UNKNOWN] * len(chunk))
            calls = [self._call(part, batch.of(chunk)) for part, chunk in chunks.items()]
            try:
                answers = await self._server.together(calls, "publish")
            except BaseException:  # cancelled, too: those who wait behind these are not sent
                for part in chunks:
                    self._failures[part] += 1
                raise
            self._note(batch, chunks, answers, waiting, for_all=for_all)
            if for_all:
                return

    def _note(
        self,
        batch: _Batch,
        chunks: dict[int, list[int]],
        answers: Sequence[Any],
        waiting: dict[int, Iterator[list[int]]],
        *,
        for_all: bool,
    ) -> None:
        found: dict[int, set[Outcome]] = {}
        for (part, chunk), answer in zip(chunks.items(), answers, strict=True):
            if isinstance(answer, Exception):
                self._failed(f"stream {part} did not take it: {answer}")
                self._failures[part] += 1
                del waiting[part]
            else:
                for place, outcome in zip(chunk, answer, strict=True):
                    found.setdefault(place, set()).add(_OUTCOMES[outcome])
        for place, outcomes in found.items():
            if len(outcomes) == 1 and not (for_all and len(waiting) < self._parts):
                batch.note([place], list(outcomes))

    def _call(self, part: int, messages: Sequence[WireMessage]) -> Call:
        arguments: list[Argument] = []
        for each in messages:
            arguments += (each.id, each.topic, "" if each.key is None else f"k{each.key}", each.body)
        return Call(scripts.PUBLISH, [self._keys.of(part, name) for name in ("stream", "topics")], arguments)


class _Batch:
    """What one call publishes, and what became of it so far."""

    def __init__(self, messages: Sequence[WireMessage], failures: list[int]) -> None:
        self.messages = messages
        self.failures = failures
        self.outcomes = [Outcome.UNSENT] * len(messages)
        self._blocked: set[str | None] = set()

    def by_part(self, places: Sequence[int], parts: int) -> dict[int, list[int]]:
        """Return which messages go to which stream."""
        found: dict[int, list[int]] = {}
        for place in places:
            found.setdefault(part_of(self.messages[place].key or "", parts), []).append(place)
        return found

    def chunks(self, places: Sequence[int]) -> Iterator[list[int]]:
        """Yield what goes to a stream in one step; what follows an unconfirmed message of its key is left out."""
        chunk, size = list[int](), 0
        for place in places:
            message = self.messages[place]
            if chunk and (len(chunk) == _CHUNK or size + len(message.body) > _CHUNK_BYTES):
                yield chunk
                chunk, size = [], 0
            if message.key not in self._blocked:
                chunk.append(place)
                size += len(message.body)
        if chunk:
            yield chunk

    def of(self, places: Sequence[int]) -> list[WireMessage]:
        """Return messages by their places."""
        return [self.messages[place] for place in places]

    def note(self, places: Sequence[int], outcomes: Sequence[Outcome]) -> None:
        """Note what became of messages; what follows of the keys of the unconfirmed ones is not sent."""
        for place, outcome in zip(places, outcomes, strict=True):
            self.outcomes[place] = outcome
            key = self.messages[place].key
            if key is not None:
                (self._blocked.discard if outcome is Outcome.CONFIRMED else self._blocked.add)(key)
