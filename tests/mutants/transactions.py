"""Transactions that commit wrongly or too early."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

from tests.mutants.combinators import Wrap, for_each, instead, suppressing
from tests.mutants.places import at
from twofold.errors import ReadOnlyUnitOfWork
from twofold.testing.conformance._tools.proxy import Proxy


class CommitsAnyway(Proxy):
    """Commits instead of rolling back."""

    _ended = False

    async def commit(self) -> None:
        await self.inner.commit()
        self._ended = True

    async def rollback(self) -> None:
        if not self._ended:
            await self.inner.commit()
        await self.inner.rollback()


class CommitsBehind(Proxy):
    """Commits implicitly after one of its steps, and continues in a new transaction.

    Some databases do so when a table is changed.

    Args:
        inner: the transaction.
        store: begins the new transaction.
        part: the part with the step.
        step: the method.
    """

    def __init__(self, inner: Any, store: Any, part: str, step: str) -> None:
        super().__init__(inner)
        self._store = store
        self._part = part
        self._step = step

    def __getattr__(self, name: str) -> Any:
        if name != self._part:
            return getattr(self.inner, name)
        if name == "rows":
            return lambda *of, **how: self._committing(lambda: self.inner.rows(*of, **how))
        return self._committing(lambda: getattr(self.inner, name))

    def _committing(self, part: Callable[[], Any]) -> Any:
        async def step(_: Any, *args: Any, **options: Any) -> Any:
            result = await getattr(part(), self._step)(*args, **options)
            await self.inner.commit()
            self.inner = await self._store.begin()
            return result

        return instead(**{self._step: step})(part())


def committing_behind(part: str, step: str) -> Wrap:
    """Commit every writing transaction after one of its steps."""
    return for_each(lambda store: at("writing", partial(CommitsBehind, store=store, part=part, step=step)))


def quietly(part: str, *methods: str) -> Wrap:
    """Discard the writes of a read-only transaction instead of refusing them."""
    return at(f"transaction.{part}", suppressing(ReadOnlyUnitOfWork, *methods))


commits_anyway = at("transaction", CommitsAnyway)
commits_events_early = committing_behind("log", "append")
leaves_savepoints = at("transaction", instead(savepoint=lambda _: nullcontext()))
