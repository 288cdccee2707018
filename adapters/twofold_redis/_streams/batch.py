"""The messages of one call of `publish`, and their outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from twofold.ports import Outcome, WireMessage, partition_of

_CHUNK = 256
"""The largest number of messages that one script adds to a stream."""

_CHUNK_BYTES = 1_048_576
"""The largest number of bytes that one script adds to a stream, unless it is one message."""


class Batch:
    """Messages with their outcomes. Messages are identified by their index.

    Args:
        messages: the messages.
        failures: the number of failures of each stream before this batch.
    """

    def __init__(self, messages: Sequence[WireMessage], failures: list[int]) -> None:
        self.messages = messages
        self.failures = failures
        self.outcomes = [Outcome.UNSENT] * len(messages)
        self._blocked: set[str | None] = set()

    def by_partition(self, indexes: Sequence[int], partitions: int) -> dict[int, list[int]]:
        """Return which messages belong to which stream."""
        found: dict[int, list[int]] = {}
        for index in indexes:
            found.setdefault(partition_of(self.messages[index].key or "", partitions), []).append(index)
        return found

    def chunks(self, indexes: Sequence[int]) -> Iterator[list[int]]:
        """Yield the messages that one script adds to a stream.

        Messages after an unconfirmed one of their key are left out.
        """
        chunk, size = list[int](), 0
        for index in indexes:
            message = self.messages[index]
            if chunk and (len(chunk) == _CHUNK or size + len(message.body) > _CHUNK_BYTES):
                yield chunk
                chunk, size = [], 0
            if message.key not in self._blocked:
                chunk.append(index)
                size += len(message.body)
        if chunk:
            yield chunk

    def of(self, indexes: Sequence[int]) -> list[WireMessage]:
        """Return messages by their indexes."""
        return [self.messages[index] for index in indexes]

    def note(self, indexes: Sequence[int], outcomes: Sequence[Outcome]) -> None:
        """Record the outcomes of messages. Later messages with the key of an unconfirmed one are not sent."""
        for index, outcome in zip(indexes, outcomes, strict=True):
            self.outcomes[index] = outcome
            key = self.messages[index].key
            if key is not None:
                (self._blocked.discard if outcome is Outcome.CONFIRMED else self._blocked.add)(key)
