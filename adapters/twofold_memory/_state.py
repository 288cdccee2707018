"""The state of aggregates that are not event sourced, as JSON text with a version."""

from __future__ import annotations

from typing import Any

from twofold import Aggregate, StateCodec
from twofold.errors import AggregateExists, ConcurrencyConflict
from twofold.ports import Versioned

from ._overlay import Overlay
from ._step import Step
from ._tables import GONE, STATES


class InMemoryState:
    """Loads and saves aggregates of one type, in one transaction."""

    __slots__ = ("_codec", "_step", "_type")

    def __init__(self, step: Step, aggregate_type: type[Aggregate], codec: StateCodec[Any]) -> None:
        self._step = step
        self._type = aggregate_type
        self._codec = codec

    async def load(self, id: str) -> Versioned | None:
        """Return the aggregate and its version."""
        overlay, key = self._step.reading(), self._key(id)
        found = overlay.get(STATES, key)
        if found is None:
            return None
        text, version = found
        overlay.loaded[key] = text
        return Versioned(self._codec.decode(text, id), version)

    async def version(self, id: str) -> int | None:
        """Return the stored version."""
        return self._version(self._step.reading(), id) or None

    async def insert(self, id: str, aggregate: object) -> None:
        """Store a new aggregate."""
        overlay = await self._step.writing()
        if self._version(overlay, id):
            raise self._step.broken(
                AggregateExists(
                    f"cannot add {self._type.__name__} {id}: an aggregate with this id exists. Load and change it instead."
                )
            )
        self._put(overlay, id, self._codec.encode(self._known(aggregate)), 1)

    async def update(self, id: str, aggregate: object, *, expected: int) -> None:
        """Store the aggregate as the next version, unless its state is the one that was loaded."""
        text = self._codec.encode(self._known(aggregate))
        if self._step.reading().loaded.get(self._key(id)) == text:
            return
        self._put(await self._expecting(id, expected), id, text, expected + 1)

    async def delete(self, id: str, aggregate: object, *, expected: int) -> None:
        """Delete the aggregate."""
        overlay, key = await self._expecting(id, expected), self._key(id)
        overlay.put(STATES, key, GONE)
        overlay.loaded.pop(key, None)

    async def _expecting(self, id: str, expected: int) -> Overlay:
        overlay = await self._step.writing()
        actual = self._version(overlay, id)
        if actual != expected:
            name = f"{self._type.__name__} {id}"
            raise self._step.broken(ConcurrencyConflict(name, expected=expected, actual=actual))
        return overlay

    def _put(self, overlay: Overlay, id: str, text: str, version: int) -> None:
        key = self._key(id)
        overlay.put(STATES, key, (text, version))
        overlay.loaded[key] = text

    def _version(self, overlay: Overlay, id: str) -> int:
        found = overlay.get(STATES, self._key(id))
        return 0 if found is None else int(found[1])

    def _key(self, id: str) -> tuple[str, str]:
        return self._type.aggregate_name or self._type.__qualname__, id

    def _known(self, aggregate: object) -> Aggregate:
        if not isinstance(aggregate, Aggregate):
            raise TypeError(f"cannot store {aggregate!r}: it is not an Aggregate.")
        return aggregate
