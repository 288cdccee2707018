"""From wire names to event classes and back, with the upcasters between versions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias
from uuid import UUID

from pydantic import ValidationError

from ._messages import Event
from .errors import ConfigurationError, UndecodableEvent
from .ports.event_log import StoredEvent

Fields: TypeAlias = Mapping[str, Any]
"""The fields of a stored event, as JSON gives them."""

Upcaster: TypeAlias = Callable[[Fields], Fields]
"""Turns the fields of one version into those of the next."""


_REMEMBERED = 1000
"""How many decoded events are kept for other subscriptions."""


class EventTypes:
    """The event classes that an application knows. Nothing is ever imported by a name from the log or the wire."""

    def __init__(self) -> None:
        self._by_name: dict[str, type[Event]] = {}
        self._upcasters: dict[tuple[str, int], Upcaster] = {}
        self._recent: dict[UUID, Event] = {}

    def add(self, event_type: type[Event]) -> None:
        """Make an event class known.

        Raises:
            ConfigurationError: it has no wire name, or another class has the same one.
        """
        name = event_type.message_name
        if name is None:
            raise ConfigurationError(
                f"the event {event_type.__qualname__} has no stable name, so it cannot be stored. "
                f"Give it one: class {event_type.__name__}(Event, name='orders.order_placed')."
            )
        known = self._by_name.setdefault(name, event_type)
        if known is not event_type:
            raise ConfigurationError(
                f"two event classes are named {name!r}: {known.__qualname__} and {event_type.__qualname__}. "
                "Rename one; if it is a newer version of the same event, replace the old class and add an upcaster."
            )

    def add_upcaster(self, name: str, from_version: int, upcaster: Upcaster) -> None:
        """Say how the fields of `from_version` of an event become those of `from_version + 1`."""
        self._upcasters[name, from_version] = upcaster

    def missing_upcasters(self) -> Iterator[tuple[type[Event], int]]:
        """Yield every (event class, version) that no upcaster takes to the next version."""
        for name, event_type in self._by_name.items():
            for version in range(1, event_type.message_version):
                if (name, version) not in self._upcasters:
                    yield event_type, version

    def decode_stored(self, stored: StoredEvent) -> Event:
        """Make an event from its record. Subscriptions that read the same event soon after one another share one object.

        Raises:
            UndecodableEvent: as `decode`.
        """
        event = self._recent.get(stored.id)
        if event is None:
            event = self.decode(stored.name, stored.schema, stored.data)
            if len(self._recent) >= _REMEMBERED:
                del self._recent[next(iter(self._recent))]
            self._recent[stored.id] = event
        return event

    def decode(self, name: str, version: int, data: str) -> Event:
        """Make an event from what is stored.

        Raises:
            UndecodableEvent: no class has this name, no upcaster leads from this version, or the class refuses the
                data.
        """
        event_type = self._by_name.get(name)
        if event_type is None:
            raise UndecodableEvent(
                f"cannot read the stored event {name!r}: no event class of that name is known to this application. "
                "Register a handler for it, or import the module that does."
            )
        try:
            if version == event_type.message_version:
                return event_type.model_validate_json(data)
            return event_type.model_validate_json(json.dumps(self._upcast(event_type, name, version, data)))
        except ValidationError as error:
            raise UndecodableEvent(
                f"cannot read the stored event {name!r} version {version}: {event_type.__qualname__} refuses its "
                f"data: {error}. Restore the field, or raise the version and add an upcaster."
            ) from error

    def _upcast(self, event_type: type[Event], name: str, version: int, data: str) -> Fields:
        if version > event_type.message_version:
            raise UndecodableEvent(
                f"cannot read the stored event {name!r} version {version}: this application knows it up to version "
                f"{event_type.message_version}. A newer release wrote it; deploy that release here too."
            )
        fields: Fields = json.loads(data)
        for step in range(version, event_type.message_version):
            upcaster = self._upcasters.get((name, step))
            if upcaster is None:
                raise UndecodableEvent(
                    f"cannot read the stored event {name!r} version {version}: there is no upcaster from version "
                    f"{step}. Add one with @app.upcaster({name!r}, from_version={step})."
                )
            fields = upcaster(fields)
        return fields
