"""The rows of a read model, as an adapter keeps them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, NamedTuple, Protocol, TypeVar

from .._definitions.position import Position
from .._definitions.view import View

V = TypeVar("V", bound=View)
V_co = TypeVar("V_co", bound=View, covariant=True)


class Operator(Enum):
    """How a field is compared with a value, in the order that `Ordering` describes."""

    EQ = "="
    GT = ">"
    GE = ">="
    LT = "<"
    LE = "<="
    ONE_OF = "in"


class Condition(NamedTuple):
    """One comparison; several are joined by *and*.

    Attributes:
        field: a scalar field of the view.
        operator: the comparison.
        value: a value of the field's type (EQUAL also takes None); a tuple of such values for ONE_OF.
    """

    field: str
    operator: Operator
    value: object


class Ordering(NamedTuple):
    """A field to sort by. Optional fields cannot be sorted by, so there is no question where None goes.

    Texts are sorted, and compared, by the code points of Unicode, as Python does it, whatever language the database is
    set to: "Z" before "a" before "z" before "ä" before "｡" before "🚲". Numbers and times are sorted by their value.
    """

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows are wanted and in what order. The core has validated the fields and appended the key as last order.

    Attributes:
        where: all of these hold.
        order_by: sort by these; the last one is the key, so the order is total.
        after: when given, only rows behind this one: its values of `order_by`, in that order.
        limit: how many rows at most; all when None.
        offset: how many rows to leave out at the start.
    """

    where: tuple[Condition, ...] = ()
    order_by: tuple[Ordering, ...] = ()
    after: tuple[object, ...] | None = None
    limit: int | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class RowChange(Generic[V_co]):
    """One row's new content.

    Attributes:
        key: the row's key.
        row: the new row, or None to delete it.
        position: the position of the event that changed it.
    """

    key: object
    row: V_co | None
    position: Position


class RowReader(Protocol[V_co]):
    """Read the committed rows of one view, and inside a transaction also its own writes."""

    async def get_many(self, keys: Collection[object]) -> Mapping[object, V_co]:
        """Return the rows that exist, by key."""
        ...

    async def select(self, selection: Selection) -> Sequence[V_co]:
        """Return the rows of a selection, in its order."""
        ...

    async def count(self, where: Sequence[Condition]) -> int:
        """Return how many rows match."""
        ...


class RowWriter(RowReader[V], Protocol[V]):
    """Change the rows of one view, inside the transaction that gave this writer."""

    async def write(self, changes: Sequence[RowChange[V]]) -> None:
        """Apply changes, at most one a key; what two of one key would do is not defined.

        The core hands over rows that fit their view. A store keeps every text without NUL characters and lone surrogates,
        integers of 64 bits, signed, and times with a zone, and what it keeps comes back equal. What it cannot keep beyond
        that, or a text that is too long for its keys and indexes, it refuses here and now; nothing is cut or rounded. A
        view that has a field less can read what was written with it.

        A change older than the row's stored position is ignored, also when that row was deleted since: an older write
        never overwrites a newer one and never brings a deleted row back. A change of the same position applies.

        Raises:
            NotStorable: a row cannot be kept; the text says which, or which value. The transaction must be rolled back, and
                the same changes without that row can be written in another one. Nothing else is raised for a row, and this
                for nothing else, because the event that caused it is parked.
        """
        ...
