"""Message classes by their wire names, and the upcasters between their versions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeAlias, TypeVar

from pydantic import ValidationError

from .._definitions.message import Message, snake_case
from ..errors import ConfigurationError, StorageError
from .message_json import round_trip_of

M = TypeVar("M", bound=Message)

Fields: TypeAlias = Mapping[str, Any]
"""The fields of a stored message, decoded from JSON."""

Upcaster: TypeAlias = Callable[[Fields], Fields]
"""Returns the fields of the next version, given the fields of one version."""


class WireTypes(Generic[M]):
    """The message classes of one kind that an application registered. No class is ever imported by a name from the wire.

    Args:
        kind: the word for such a message in error texts.
        undecodable: the error for a message that cannot be decoded.
    """

    def __init__(self, kind: str, undecodable: type[StorageError]) -> None:
        self._kind = kind
        self._undecodable = undecodable
        self._by_name: dict[str, type[M]] = {}
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
        known = self._by_name.setdefault(name, message_type)
        if known is not message_type:
            raise ConfigurationError(
                f"two {kind} classes are named {name!r}: {known.__qualname__} and {message_type.__qualname__}. "
                f"Rename one; if it is a newer version of the same {kind}, replace the old class and add an upcaster."
            )

    def add_upcaster(self, name: str, from_version: int, upcaster: Upcaster) -> None:
        """Register the upcaster from `from_version` of a message to `from_version + 1`."""
        self._upcasters[name, from_version] = upcaster

    def missing_upcasters(self) -> Iterator[tuple[type[M], int]]:
        """Yield every (class, version) that has no upcaster to the next version."""
        for name, message_type in self._by_name.items():
            for version in range(1, message_type.message_version):
                if (name, version) not in self._upcasters:
                    yield message_type, version

    def decode(self, name: str, version: int, data: str) -> M:
        """Return a stored message.

        Raises:
            UndecodableEvent, UndecodableCommand: no class has this name, an upcaster is missing or fails, or the class
                refuses the data.
        """
        message_type = self._by_name.get(name)
        if message_type is None:
            raise self._undecodable(
                f"cannot read the stored {self._kind} {name!r}: this application has no {self._kind} class of that name. "
                f"Register a handler for the {self._kind}, or import the module that registers one."
            )
        try:
            if version == message_type.message_version:
                return round_trip_of(message_type).decode(data)
            return round_trip_of(message_type).decode(json.dumps(self._upcast(message_type, name, version, data)))
        except ValidationError as error:
            raise self._undecodable(
                f"cannot read the stored {self._kind} {name!r} version {version}: {message_type.__qualname__} refuses its "
                f"data: {error}. Restore the field, or raise the version and add an upcaster."
            ) from error

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
                    f"failed ({type(error).__name__}: {error}). Fix the upcaster, and retry parked events."
                ) from error
        return fields
