"""Transactions that move checkpoints without looking where they stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio

from twofold.ports import Checkpoint, Lease

from .broken import Around, Break, BrokenStore


class AdvancesUnguarded(Around):
    """Moves a checkpoint from wherever it stands, when the mutant says so; one transaction after another."""

    def __init__(
        self,
        inner: Any,
        store: Any,
        ignores: Callable[[Checkpoint | None, Checkpoint | None], bool],
        turn: anyio.Semaphore,
    ) -> None:
        super().__init__(inner)
        self._store = store
        self._ignores = ignores
        self._turn = turn
        self._in_turn = False

    async def advance(
        self, subscription: str, *, expected: Checkpoint | None, to: Checkpoint, lease: Lease | None = None
    ) -> None:
        if not self._in_turn:
            await self._turn.acquire()  # the other one has committed, so that its checkpoint is seen
            self._in_turn = True
        stands = await self._store.subscriptions.checkpoint(subscription)
        if self._ignores(expected, stands):
            expected = stands
        await self.inner.advance(subscription, expected=expected, to=to, lease=lease)

    async def rollback(self) -> None:
        await self.inner.rollback()
        if self._in_turn:
            self._in_turn = False
            self._turn.release()


def unguarded(ignores: Callable[[Checkpoint | None, Checkpoint | None], bool]) -> Break:
    """Break the comparison of the expected checkpoint with the one that stands."""

    def broken(store: Any) -> Any:
        turn = anyio.Semaphore(1)
        return BrokenStore(store, lambda transaction, *_: AdvancesUnguarded(transaction, store, ignores, turn))

    return broken
