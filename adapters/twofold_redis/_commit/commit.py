"""Commit a transaction: its checks and steps, sent as one script."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import anyio

from twofold.errors import (
    CheckpointMoved,
    CommitFailed,
    CommitUnknown,
    ForeignLog,
    SchemaMissing,
    TransientFailure,
    TwofoldError,
)

from .._server.errors import TRANSLATED, is_lost, translated
from .._server.keys import Keys
from .._server.server import Argument, Server
from .script import COMMIT

T = TypeVar("T")

_REMEMBERED: Final = 600_000
"""Milliseconds for which Redis records a finished commit. The client stops repeating the commit earlier."""

_TIMEOUT: Final = 60.0
"""The timeout of a commit, in seconds, also while its task is being cancelled."""


class Commit:
    """The checks and steps of one script, which executes all steps or none.

    Args:
        keys: the names of the keys.
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
        """Require that the rows of a view, if there are any, have this layout."""
        self._check("kept", [key], [layout], lambda found: other_layout(view, found, layout))

    def check_log(self, view: str, key: str, log: str) -> None:
        """Require that the rows of a view, if there are any, come from the events of this log."""
        self._check("kept", [key], [log], lambda found: _other_log(view, key, found, log))

    def step(self, name: str, keys: list[str], arguments: list[Argument]) -> None:
        """Add a step. Steps are executed in their order."""
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
        """Send the script.

        Raises:
            CheckpointMoved: a check failed. Nothing was written.
            SchemaMissing: the rows have another layout. Nothing was written.
            ForeignLog: the rows come from another log. Nothing was written.
            TransientFailure: Redis refused the script for now. Nothing was written.
            CommitFailed: Redis refused the script. Nothing was written.
            CommitUnknown: it is *unknown* whether the script was executed.
        """
        if not self._refusals and not self._steps:
            return
        keys = [self._keys[0], *self._check_keys, *self._keys[1:]]
        arguments = [_REMEMBERED, len(self._refusals), *self._checks, *self._steps]
        answer = await _uninterrupted(self._sent(server, keys, arguments))
        if answer[0] != b"done":
            raise self._refusals[int(answer[1]) - 1](answer[2].decode())

    async def _sent(self, server: Server, keys: list[str], arguments: list[Argument]) -> list[bytes]:
        try:
            answer: list[bytes] = await server.raw(COMMIT, keys, arguments)
        except TRANSLATED as error:
            if is_lost(error):
                raise _unknown(f"{type(error).__name__}: {str(error) or 'no answer in time'}") from error
            failure = translated(error, "commit")
            if isinstance(failure, TransientFailure):
                raise failure from error
            raise CommitFailed(str(failure)) from error
        return answer


async def _uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Await work to its end, even if this task is cancelled. The cancellation is raised afterwards."""
    task = asyncio.ensure_future(work)
    end = asyncio.get_running_loop().time() + _TIMEOUT
    cancelled: asyncio.CancelledError | None = None
    # The scope delays anyio's cancellations, which are repeated at each await; the loop outlasts asyncio's.
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
        raise cancelled or _unknown(f"no answer arrived within {_TIMEOUT:g} s")
    failure = task.exception()
    if cancelled is not None:
        raise cancelled from failure
    return task.result()


def _unknown(found: str) -> CommitUnknown:
    return CommitUnknown(
        f"the outcome of a commit is unknown: {found}. Read the data before you repeat the transaction."
    )


def _moved(subscription: str) -> Callable[[str], TwofoldError]:
    return lambda found: CheckpointMoved(
        f"cannot advance the checkpoint of {subscription!r}: {found}. Another worker advanced it first. Nothing was written."
    )


def _other_log(view: str, key: str, found: str, wanted: str) -> ForeignLog:
    return ForeignLog(
        f"cannot write the rows of {view!r}: the stored rows come from log {found}, the new ones from {wanted}. Use a "
        "prefix= of its own for each application on this Redis. If the database was created again on purpose, delete the "
        f"data of the old one: the keys {key.rpartition(':')[0]}* and the partitions of its projection."
    )


def other_layout(view: str, found: str, wanted: str) -> SchemaMissing:
    """Return the error for rows with another layout."""
    return SchemaMissing(
        f"cannot use the rows of {view!r}: their layout is [{found}], and this application needs [{wanted}]. "
        "Call create_schema(), which creates the indexes again, or rename the view and let its projection fill it."
    )
