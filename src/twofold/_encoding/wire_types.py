"""From wire names to message classes and back, with the upcasters between versions."""

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
"""The fields of a stored message, as JSON gives them."""

Upcaster: TypeAlias = Callable[[Fields], Fields]
"""Turns the fields of one version into those of the next."""


class WireTypes(Generic[M]):
    """The message classes of one kind that an application knows. Nothing is ever imported by a name from the wire.

    Args:
        kind: what such a message is called in texts.
        undecodable: what is raised for one that cannot be read.
    """

    def __init__(self, kind: str, undecodable: type[StorageError]) -> None:
        self._kind = kind
        self._undecodable = undecodable
        self._by_name: dict[str, type[M]] = {}
        self._upcasters: dict[tuple[str, int], Upcaster] = {}

    def add(self, message_type: type[M]) -> None:
        """Make a class known.

        Raises:
            ConfigurationError: it has no wire name, or another class has the same one.
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
        """Say how the fields of `from_version` of a message become those of `from_version + 1`."""
        self._upcasters[name, from_version] = upcaster

    def missing_upcasters(self) -> Iterator[tuple[type[M], int]]:
        """Yield every (class, version) that no upcaster takes to the next version."""
        for name, message_type in self._by_name.items():
            for version in range(1, message_type.message_version):
                if (name, version) not in self._upcasters:
                    yield message_type, version

    def decode(self, name: str, version: int, data: str) -> M:
        """Make a message from what is stored.

        Raises:
            UndecodableEvent, UndecodableCommand: no class has this name, no upcaster leads from this version or one fails,
                or the class refuses the data.
        """
        message_type = self._by_name.get(name)
        if message_type is None:
            raise self._undecodable(
                f"cannot read the stored {self._kind} {name!r}: no {self._kind} class of that name is known to this "
                "application. Register a handler for it, or import the module that does."
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
                f"cannot read the stored {self._kind} {name!r} version {version}: this application knows it up to version "
                f"{message_type.message_version}. A newer release wrote it; deploy that release here too."
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
                    f"failed ({type(error).__name__}: {error}). Mend it, and retry what was parked."
                ) from error
        return fields
