"""The state of aggregates that are not event sourced, as JSON text with a version."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twofold import Aggregate, StateCodec
from twofold.errors import AggregateExists, ConcurrencyConflict, TwofoldError
from twofold.ports import Versioned

from ._tables import GONE, STATES, Overlay


class InMemoryState:
    """Loads and saves aggregates of one type, in one transaction."""

    def __init__(
        self,
        aggregate_type: type[Aggregate],
        codec: StateCodec[Any],
        overlay: Overlay,
        writing: Callable[[], Awaitable[None]],
        check: Callable[[], None],
        refused: Callable[[TwofoldError], TwofoldError],
    ) -> None:
        self._refused = refused
        self._type = aggregate_type
        self._codec = codec
        self._overlay = overlay
        self._writing = writing
        self._check = check

    async def load(self, id: str) -> Versioned | None:
        """Return the aggregate and its version."""
        self._check()
        found = self._overlay.get(STATES, self._key(id))
        if found is None:
            return None
        text, version = found
        self._overlay.loaded[self._key(id)] = text
        return Versioned(self._codec.decode(text, id), version)

    async def version(self, id: str) -> int | None:
        """Return the version now in the store."""
        self._check()
        found = self._overlay.get(STATES, self._key(id))
        return None if found is None else int(found[1])

    async def insert(self, id: str, aggregate: object) -> None:
        """Store a new aggregate."""
        await self._writing()
        if self._overlay.get(STATES, self._key(id)) is not None:
            raise self._refused(
                AggregateExists(
                    f"cannot add {self._type.__name__} {id}: there is one of that id. Load it and change it instead."
                )
            )
        self._put(id, self._codec.encode(self._known(aggregate)), 1)

    async def update(self, id: str, aggregate: object, *, expected: int) -> None:
        """Store the aggregate as the next version, if its state is another than the one that was loaded."""
        text = self._codec.encode(self._known(aggregate))
        self._check()
        if self._overlay.loaded.get(self._key(id)) == text:
            return
        await self._writing()
        self._guard(id, expected)
        self._put(id, text, expected + 1)

    async def delete(self, id: str, aggregate: object, *, expected: int) -> None:
        """Remove the aggregate."""
        await self._writing()
        self._guard(id, expected)
        self._overlay.put(STATES, self._key(id), GONE)
        self._overlay.loaded.pop(self._key(id), None)

    def _put(self, id: str, text: str, version: int) -> None:
        self._overlay.put(STATES, self._key(id), (text, version))
        self._overlay.loaded[self._key(id)] = text

    def _guard(self, id: str, expected: int) -> None:
        found = self._overlay.get(STATES, self._key(id))
        actual = 0 if found is None else found[1]
        if actual != expected:
            raise self._refused(ConcurrencyConflict(f"{self._type.__name__} {id}", expected=expected, actual=actual))

    def _key(self, id: str) -> tuple[str, str]:
        return self._type.aggregate_name or self._type.__qualname__, id

    def _known(self, aggregate: object) -> Aggregate:
        if not isinstance(aggregate, Aggregate):
            raise TypeError(f"cannot keep {aggregate!r}: it is no Aggregate.")
        return aggregate
