"""What keys are called. What one script touches shares a hash tag: all of a store, or what belongs to one stream."""

from __future__ import annotations

from dataclasses import dataclass

from twofold import View


@dataclass(frozen=True, slots=True)
class RowKeys:
    """Where the rows of a view are.

    Attributes:
        rows: a hash: the key of a row, its position and its JSON text.
        gone: a hash: the key of a deleted row, and the position at which it was deleted.
        members: a hash: the key of a row, and its members of the indexes, where the view has any.
        order: a sorted set of the keys of all rows.
        indexes: a sorted set for each index.
        layout: what the view was like when its rows were written.
        log: the identity of the log whose events they come from.
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
        """All keys that hold rows or what belongs to them."""
        return self.rows, self.gone, self.members, self.order, *self.indexes


@dataclass(frozen=True, slots=True)
class AsideKeys:
    """Where the held and parked events of a subscription are.

    Attributes:
        events: a hash: the position of an event, its number in the order of parking, and the rest.
        order: a sorted set: key, number and position of each.
        again: a hash: the position of a held event, the time of its next try and its key.
    """

    events: str
    order: str
    again: str

    @property
    def all(self) -> tuple[str, ...]:
        """All of them."""
        return self.events, self.order, self.again


class Keys:
    """Names the keys of one store.

    Args:
        prefix: what all of them begin with.
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

    def aside(self, subscription: str) -> AsideKeys:
        """Return the keys of the held and parked events of a subscription."""
        base = f"{self._tag}:aside:{subscription}"
        return AsideKeys(f"{base}:events", f"{base}:order", f"{base}:again")

    def partitions(self, subscription: str) -> str:
        """Return the key of the partitions of a subscription: a hash of places and leases."""
        return f"{self._tag}:partitions:{subscription}"

    def workers(self, subscription: str) -> str:
        """Return the key of the workers of a subscription: a sorted set by the end of their attendance."""
        return f"{self._tag}:workers:{subscription}"

    def commit(self, id: str) -> str:
        """Return the key that says that a commit was done."""
        return f"{self._tag}:commit:{id}"

    @property
    def number(self) -> str:
        """The key of the last number that a parked event was given."""
        return f"{self._tag}:number"


class StreamKeys:
    """Names the keys of one transport.

    Args:
        prefix: what all of them begin with.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def of(self, part: int, *name: str) -> str:
        """Return what belongs to a stream."""
        return ":".join((f"{{{self._prefix}:{part}}}", *name))

    def shared(self, *name: str) -> str:
        """Return what belongs to no stream."""
        return ":".join((f"{{{self._prefix}}}", *name))
