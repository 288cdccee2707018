"""Checkpoints that move without a comparison, or in another transaction than their effects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import anyio

from tests.mutants.combinators import Wrap, changing, for_each, instead
from tests.mutants.places import at
from twofold.ports import Checkpoint
from twofold.testing.conformance._tools.proxy import Proxy


def moving(change: Callable[[Checkpoint], Checkpoint]) -> Wrap:
    """Write other checkpoints than those that are given."""
    return at(
        "transaction.checkpoints",
        changing("advance", expected=lambda expected: expected and change(expected), to=change),
    )


class MovesUnguarded(Proxy):
    """Moves a checkpoint from wherever it stands, when the mutant says so; one transaction after another."""

    _in_turn = False

    @property
    def checkpoints(self) -> Any:
        async def advance(part: Any, subscription: str, *, expected: Checkpoint | None, **move: Any) -> None:
            if not self._in_turn:
                await self.turn.acquire()  # the other one has committed, so that its checkpoint is seen
                self._in_turn = True
            stands = await self.store.subscriptions.checkpoint(subscription)
            await part.advance(subscription, expected=stands if self.ignores(expected, stands) else expected, **move)

        return instead(advance=advance)(self.inner.checkpoints)

    async def rollback(self) -> None:
        await self.inner.rollback()
        if self._in_turn:
            self._in_turn = False
            self.turn.release()


def unguarded(ignores: Callable[[Checkpoint | None, Checkpoint | None], bool] = lambda *_: True) -> Wrap:
    """Ignore the expected checkpoint, always or where a function of it and of the one that stands says so."""

    def make(store: Any) -> Wrap:
        turn = anyio.Semaphore(1)
        return at("transaction", partial(MovesUnguarded, store=store, turn=turn, ignores=ignores))

    return for_each(make)


class MovesApart(Proxy):
    """Moves checkpoints in a separate transaction after this one, whatever its outcome."""

    def __init__(self, inner: Any, store: Any) -> None:
        super().__init__(inner)
        self._store = store
        self._moves: list[tuple[str, dict[str, Any]]] = []

    @property
    def checkpoints(self) -> Any:
        async def advance(_: Any, subscription: str, **move: Any) -> None:
            self._moves.append((subscription, move))

        return instead(advance=advance)(self.inner.checkpoints)

    async def commit(self) -> None:
        await self.inner.commit()
        await self._move()

    async def rollback(self) -> None:
        await self.inner.rollback()
        await self._move()

    async def _move(self) -> None:
        while self._moves:
            subscription, move = self._moves.pop(0)
            other = await self._store.begin()
            try:
                await other.checkpoints.advance(subscription, **move)
                await other.commit()
            finally:
                await other.rollback()


moving_apart = for_each(lambda store: at("writing", partial(MovesApart, store=store)))
forgetting_parked = moving(lambda checkpoint: replace(checkpoint, parked=0))
