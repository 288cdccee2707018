"""The names of keys. The keys of one script share a hash tag: all keys of a store, or all keys of one stream."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from twofold import View
from twofold.errors import ConfigurationError
from twofold.ports import shown_option

_PREFIX: Final = re.compile(r"[A-Za-z0-9_.:-]{1,100}")


def checked_prefix(prefix: object, kind: str) -> str:
    """Return the prefix of the keys of a store, a cache, a transport or a notifier.

    Args:
        prefix: the prefix.
        kind: the name of the class that takes it, for the error.

    Raises:
        ConfigurationError: the prefix is not valid.
    """
    if isinstance(prefix, str) and _PREFIX.fullmatch(prefix):
        return prefix
    raise ConfigurationError(
        f"{kind}(prefix={shown_option(prefix)}): use 1 to 100 ASCII letters, digits, '_', '-', '.' and ':'."
    )


@dataclass(frozen=True, slots=True)
class RowKeys:
    """The keys of the rows of a view.

    Attributes:
        rows: a hash from the key of a row to its position and JSON text.
        gone: a hash from the key of a deleted row to the position of its deletion.
        members: a hash from the key of a row to its members of the indexes, if the view has indexes.
        order: a sorted set of the keys of all rows.
        indexes: a sorted set for each index.
        layout: the layout of the view when its rows were written.
        log: the identity of the log whose events the rows come from.
    """

    rows: str
    gone: str
    members: str
    order: str
    indexes: tuple[str, ...]
    layout: str
    log: str

    @property
    def all(self) -> tuple[str, ...]:
        """The keys that hold rows or index members."""
        return self.rows, self.gone, self.members, self.order, *self.indexes


@dataclass(frozen=True, slots=True)
class ParkedKeys:
    """The keys of the events of a subscription with a pending retry, and of its parked events.

    Attributes:
        events: a hash: the position of an event, its number in the order of parking, and the rest.
        order: a sorted set: key, number and position of each.
        again: a hash: the position of an event, the time of its pending retry, and its key.
        numbers: a sorted set: the position of each by its number.
    """

    events: str
    order: str
    again: str
    numbers: str

    @property
    def all(self) -> tuple[str, ...]:
        """All of them."""
        return self.events, self.order, self.again, self.numbers


class Keys:
    """The names of the keys of one store.

    Args:
        prefix: the prefix of all keys.
    """

    def __init__(self, prefix: str) -> None:
        self._tag = f"{{{prefix}}}"

    def rows(self, view: type[View], indexes: tuple[str, ...], *, shadow: bool) -> RowKeys:
        """Return the keys of the rows of a view, or of its shadow rows."""
        name = view.view_name
        base = f"{self._tag}:view:{name}{'@rebuild' if shadow else ''}"
        return RowKeys(
            f"{base}:rows",
            f"{base}:gone",
            f"{base}:members",
            f"{base}:order",
            tuple(f"{base}:by:{index}" for index in indexes),
            f"{self._tag}:view:{name}:layout",
            f"{self._tag}:view:{name}:log",
        )

    def parked(self, subscription: str) -> ParkedKeys:
        """Return the keys of the events with a pending retry and the parked events of a subscription."""
        base = f"{self._tag}:parked:{subscription}"
        return ParkedKeys(f"{base}:events", f"{base}:order", f"{base}:again", f"{base}:numbers")

    def partitions(self, subscription: str) -> str:
        """Return the key of the partitions of a subscription: a hash of places and leases."""
        return f"{self._tag}:partitions:{subscription}"

    def pause(self, subscription: str) -> str:
        """Return the key of the pause of a subscription: its time and its reason."""
        return f"{self._tag}:pause:{subscription}"

    def workers(self, subscription: str) -> str:
        """Return the key of the workers of a subscription: a sorted set by the end of their registration."""
        return f"{self._tag}:workers:{subscription}"

    def commit(self, id: str) -> str:
        """Return the key that records a finished commit."""
        return f"{self._tag}:commit:{id}"

    @property
    def number(self) -> str:
        """The key of the number of the last parked event."""
        return f"{self._tag}:number"


class StreamKeys:
    """The names of the keys of one transport.

    Args:
        prefix: the prefix of all keys.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def of(self, partition: int, *name: str) -> str:
        """Return a key of one partition."""
        return ":".join((f"{{{self._prefix}:{partition}}}", *name))

    def shared(self, *name: str) -> str:
        """Return a key that all partitions share."""
        return ":".join((f"{{{self._prefix}}}", *name))
