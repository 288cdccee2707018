"""What a commit sends: the checks and steps of a transaction, as one script takes them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import anyio

from twofold.errors import CheckpointMoved, CommitFailed, ForeignLog, SchemaMissing, TransientFailure, TwofoldError

from .._server.errors import TRANSLATED, is_lost, translated
from .._server.keys import Keys
from .._server.server import Argument, Server
from .script import COMMIT

T = TypeVar("T")

_REMEMBERED: Final = 600_000
"""How long Redis remembers that a commit was done, in milliseconds; longer than a client goes on sending it again."""

_PATIENCE: Final = 60.0
"""How long the answer to a commit is awaited although the task was cancelled, in seconds."""


class Commit:
    """Gathers what one script does, all or nothing.

    Args:
        keys: names the keys.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys: list[str] = [keys.commit(secrets.token_hex(12))]
        self._checks: list[Argument] = []
        self._check_keys: list[str] = []
        self._steps: list[Argument] = []
        self._refusals: list[Callable[[str], TwofoldError]] = []

    def check_place(self, subscription: str, partitions: str, number: int, place: str, generation: str) -> None:
        """Demand that a partition stands at a place ("" for none), and its generation ("" for any)."""
        self._check("place", [partitions], [number, place, generation], _moved(subscription))

    def check_partitions(self, subscription: str, partitions: str, generations: dict[int, int]) -> None:
        """Demand that these are the partitions, and their generations."""
        numbers = [value for pair in generations.items() for value in pair]
        self._check("partitions", [partitions], [len(generations), *numbers], _moved(subscription))

    def check_layout(self, view: str, key: str, layout: str) -> None:
        """Demand that the rows of a view are kept as we would keep them, if there are any."""
        self._check("kept", [key], [layout], lambda found: other_layout(view, found, layout))

    def check_log(self, view: str, key: str, log: str) -> None:
        """Demand that the rows of a view come from events of a log, if there are any."""
        self._check("kept", [key], [log], lambda found: _other_log(view, key, found, log))

    def step(self, name: str, keys: list[str], arguments: list[Argument]) -> None:
        """Add something to do; steps are done in their order."""
        self._keys += keys
        self._steps.append(name)
        self._steps += arguments

    def _check(
        self, kind: str, keys: list[str], arguments: list[Argument], refusal: Callable[[str], TwofoldError]
    ) -> None:
        self._check_keys += keys
        self._checks += [kind, *arguments]
        self._refusals.append(refusal)

    async def send(self, server: Server) -> None:
        """Do all of it.

        Raises:
            CheckpointMoved: a check failed; nothing was done.
            SchemaMissing: the rows are kept in another way; nothing was done.
            ForeignLog: the rows come from another log; nothing was done.
            TransientFailure: Redis refused for now; nothing was done.
            CommitFailed: it is *unknown* whether it was done.
        """
        if not self._refusals and not self._steps:
            return
        keys = [self._keys[0], *self._check_keys, *self._keys[1:]]
        arguments = [_REMEMBERED, len(self._refusals), *self._checks, *self._steps]
        answer = await _awaited(self._sent(server, keys, arguments))
        if answer[0] != b"done":
            raise self._refusals[int(answer[1]) - 1](answer[2].decode())

    async def _sent(self, server: Server, keys: list[str], arguments: list[Argument]) -> list[bytes]:
        try:
            answer: list[bytes] = await server.raw(COMMIT, keys, arguments)
        except TRANSLATED as error:
            if is_lost(error):
                raise _unknown(f"{type(error).__name__}: {error}") from error
            failure = translated(error, "commit")
            if isinstance(failure, TransientFailure):
                raise failure from error
            raise CommitFailed(str(failure)) from error
        return answer


async def _awaited(work: Coroutine[Any, Any, T]) -> T:
    """Return what comes of work that was begun, although this task is cancelled: that arrives when it has ended."""
    task = asyncio.ensure_future(work)
    end = asyncio.get_running_loop().time() + _PATIENCE
    cancelled: asyncio.CancelledError | None = None
    # The scope holds back anyio's cancellations, which would come again at each step; the loop outlasts asyncio's.
    with anyio.CancelScope(shield=True):
        while not task.done() and (left := end - asyncio.get_running_loop().time()) > 0:
            try:
                await asyncio.wait({task}, timeout=left)
            except asyncio.CancelledError as error:
                cancelled = error
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
    if task.cancelled():
        raise cancelled or _unknown(f"no answer came for {_PATIENCE:g} s")
    failure = task.exception()
    if cancelled is not None:
        raise cancelled from failure
    return task.result()


def _unknown(found: str) -> CommitFailed:
    return CommitFailed(
        f"cannot commit for certain: {found}. It is unknown whether Redis did it: read back before repeating."
    )


def _moved(subscription: str) -> Callable[[str], TwofoldError]:
    return lambda found: CheckpointMoved(
        f"cannot move the checkpoint of {subscription!r}: {found}. Another worker was here first; nothing was written."
    )


def _other_log(view: str, key: str, found: str, wanted: str) -> ForeignLog:
    return ForeignLog(
        f"cannot write the rows of {view!r}: those that are there come from log {found}, these from {wanted}. Give each "
        "application that uses this Redis a prefix= of its own. If the database was made anew on purpose, unlink what was "
        f"kept for the old one: the keys {key.rpartition(':')[0]}* and the partitions of its projection."
    )


def other_layout(view: str, found: str, wanted: str) -> SchemaMissing:
    """Return the error for rows that were written for other indexes, or another key."""
    return SchemaMissing(
        f"cannot use the rows of {view!r}: they are kept for [{found}], this application wants [{wanted}]. "
        "Call create_schema(), which makes their indexes anew, or rebuild under another view name."
    )
