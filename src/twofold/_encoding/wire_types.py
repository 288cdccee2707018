"""Message classes by their wire names, and the upcasters between their versions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

from pydantic import ValidationError

from .._background.failures import as_exception, description
from .._definitions.message import Event, Message, snake_case
from ..errors import ConfigurationError, StorageError, UndecodableEvent
from ..ports.event_log import StoredEvent
from ..ports.parked import ParkedEvent
from .misfits import cause_without_values, misfits_without_values
from .round_trip import round_trip_of

M = TypeVar("M", bound=Message)

Fields: TypeAlias = Mapping[str, Any]
"""The fields of a stored message, decoded from JSON."""

Upcaster: TypeAlias = Callable[[Fields], Fields]
"""Returns the fields of the next version, given the fields of one version."""

_REMEMBERED = 1000
"""The minimal number of decoded events that are cached for other subscriptions. At most twice as many are cached."""


class WireTypes(Generic[M]):
    """The message classes of one kind that an application registered. No class is ever imported by a name from the wire.

    Args:
        kind: the word for such a message in error texts.
        undecodable: the error for a message that cannot be decoded.
    """

    def __init__(self, kind: str, undecodable: type[StorageError]) -> None:
        self._kind = kind
        self._undecodable = undecodable
        self.by_name: dict[str | None, type[M]] = {}
        """The registered classes by their wire names."""
        self._ambiguous: dict[str, Sequence[type[M]]] = {}
        self._upcasters: dict[tuple[str, int], Upcaster] = {}

    def add(self, message_type: type[M]) -> None:
        """Register a class.

        Raises:
            ConfigurationError: the class has no wire name, or another class has the same one.
        """
        name, kind = message_type.message_name, self._kind
        if name is None:
            base = kind.capitalize()
            raise ConfigurationError(
                f"the {kind} {message_type.__qualname__} has no stable name, so it cannot be stored. "
                f"Give it one: class {message_type.__name__}({base}, name='orders.{snake_case(message_type.__name__)}')."
            )
        known = self.by_name.setdefault(name, message_type)
        if known is not message_type:
            raise ConfigurationError(
                f"two {kind} classes are named {name!r}: {known.__qualname__} and {message_type.__qualname__}. "
                f"Rename one; if it is a newer version of the same {kind}, replace the old class and add an upcaster."
            )
        round_trip_of(message_type)  # created before the first message needs it

    def add_candidates(self, name: str, candidates: Sequence[type[M]]) -> None:
        """Register the classes that share a name and that no handler names. If there are several, none is decoded."""
        if len(candidates) == 1:
            self.by_name[name] = candidates[0]
        else:
            self._ambiguous[name] = candidates

    def candidates(self, name: str) -> Sequence[type[M]]:
        """Return the classes that share a name, if none of them is decoded."""
        return self._ambiguous.get(name, ())

    def known(self, name: str) -> type[M] | None:
        """Return the class that is registered under a wire name, or None."""
        return self.by_name.get(name)

    def add_upcaster(self, name: str, from_version: int, upcaster: Upcaster) -> None:
        """Register the upcaster from `from_version` of a message to `from_version + 1`."""
        self._upcasters[name, from_version] = upcaster

    def missing_upcasters(self) -> Iterator[tuple[type[M], int]]:
        """Yield every (class, version) that has no upcaster to the next version."""
        for name, message_type in self.by_name.items():
            for version in range(1, message_type.message_version):
                if (name, version) not in self._upcasters:
                    yield message_type, version

    def decode(self, name: str, version: int, data: str) -> M:
        """Return a stored message.

        Raises:
            UndecodableEvent, UndecodableCommand: no class has this name, an upcaster is missing or fails, or the class
                refuses the data.
        """
        message_type = self.by_name.get(name)
        if message_type is None:
            if several := self.candidates(name):
                classes = " and ".join(f"{each.__module__}.{each.__qualname__}" for each in several)
                raise self._undecodable(
                    f"cannot read the stored {self._kind} {name!r}: several {self._kind} classes have that name, {classes}. "
                    "Rename all but one, or register a handler for the one that is meant."
                )
            raise self._undecodable(
                f"cannot read the stored {self._kind} {name!r}: this application has no {self._kind} class of that name. "
                f"Register a handler for the {self._kind}, or import the module that registers one."
            )
        try:
            if version != message_type.message_version:
                data = json.dumps(self._upcast(message_type, name, version, data))
            return round_trip_of(message_type).decode(data)
        except self._undecodable:
            raise
        except BaseException as raised:  # noqa: BLE001 -- raised as the error of the caller
            error = as_exception(raised)
            raise self._undecodable(
                f"cannot read the stored {self._kind} {name!r} version {version}: {message_type.__qualname__} refuses its "
                f"data: {_text_of(error)}. Restore the field, or raise the version and add an upcaster."
            ) from cause_without_values(error)

    def _upcast(self, message_type: type[M], name: str, version: int, data: str) -> Fields:
        if version > message_type.message_version:
            raise self._undecodable(
                f"cannot read the stored {self._kind} {name!r} version {version}: this application has version "
                f"{message_type.message_version}. A newer release wrote the {self._kind}; deploy that release here too."
            )
        fields: Fields = json.loads(data)
        for step in range(version, message_type.message_version):
            upcaster = self._upcasters.get((name, step))
            if upcaster is None:
                raise self._undecodable(
                    f"cannot read the stored {self._kind} {name!r} version {version}: there is no upcaster from version "
                    f"{step}. Add one with @app.upcaster({name!r}, from_version={step})."
                )
            try:
                fields = upcaster(fields)
            except Exception as error:
                raise self._undecodable(
                    f"cannot read the stored {self._kind} {name!r} version {version}: its upcaster from version {step} "
                    f"failed ({description(error)}). Fix the upcaster, and retry parked events."
                ) from error
        return fields


def _text_of(error: Exception) -> str:
    """Return which fields pydantic refuses, and of any other error its class and text."""
    return misfits_without_values(error) if isinstance(error, ValidationError) else description(error)


class EventTypes(WireTypes[Event]):
    """Decode stored events into the event classes of an application."""

    def __init__(self) -> None:
        super().__init__("event", UndecodableEvent)
        self._recent: dict[int, Event] = {}
        self._older: dict[int, Event] = {}

    def learn(self, event_types: Iterable[type[Event]]) -> None:
        """Register the classes that are not registered.

        Raises:
            ConfigurationError: another class has the same name.
        """
        for event_type in event_types:
            if self.by_name.get(event_type.message_name) is not event_type:
                self.add(event_type)

    def decode_stored(self, stored: StoredEvent) -> Event:
        """Return a stored event as an event. Subscriptions that read the same event soon after one another share one object.

        Raises:
            UndecodableEvent: see `decode`.
        """
        key = stored.id.int  # the hash of a UUID is a function of Python
        if key in self._recent:
            return self._recent[key]
        event = self._older[key] if key in self._older else self.decode(stored.name, stored.schema, stored.data)
        if len(self._recent) >= _REMEMBERED:
            self._older, self._recent = self._recent, {}
        self._recent[key] = event
        return event

    def decode_parked(self, parked: ParkedEvent) -> Event:
        """Return a parked event as an event, with its edited payload if it has one.

        Raises:
            UndecodableEvent: see `decode`.
        """
        stored = parked.event
        if parked.edit is None:
            return self.decode_stored(stored)
        return self.decode(stored.name, stored.schema, stored.data)  # only this subscription has the edited payload
