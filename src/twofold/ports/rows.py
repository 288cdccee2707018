"""The rows of a read model, as an adapter keeps them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from .._definitions.position import Position
from .._definitions.view import View
from ..errors import UnreadableRow

V = TypeVar("V", bound=View)
V_co = TypeVar("V_co", bound=View, covariant=True)


class Operator(Enum):
    """The comparison of a field with a value, in the order that `Ordering` describes.

    Fields that hold None compare as in Python: None equals only None, and differs from every value (`NE`). None is not
    greater or less than any value, and the core never requests such a comparison.
    """

    EQ = "="
    NE = "!="
    GT = ">"
    GE = ">="
    LT = "<"
    LE = "<="
    ONE_OF = "in"
    ANY_OF = "or"


ORDERED: Final = frozenset({Operator.GT, Operator.GE, Operator.LT, Operator.LE})
"""The operators that compare by order. Their value is never None, and they match no field that holds None."""


class Condition(NamedTuple):
    """One comparison; several are joined by *and*.

    Attributes:
        field: a scalar field of the view.
        operator: the comparison.
        value: a value of the field's type, for EQ and NE also None; for ONE_OF a tuple of such values, which may be empty
            and then matches nothing; for ANY_OF a tuple of two or more conditions on the same field, of which one must
            hold. They have other operators than ANY_OF.
    """

    field: str
    operator: Operator
    value: object


class Ordering(NamedTuple):
    """A field to sort by. Optional fields cannot be sorted by, so None needs no place in the order.

    Texts are sorted, and compared, by their Unicode code points, as in Python, whatever the collation of the database:
    "Z" before "a" before "z" before "ä" before "｡" before "🚲". Numbers and times are sorted by their value.
    """

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows to return, and their order. The core has validated the fields and appended the key to the order.

    Attributes:
        where: the conditions; all must hold.
        order_by: the fields to sort by; the last one is the key, so the order is total.
        after: the values of a row for `order_by`, in that order. Only rows after this row are returned; None for all
            rows.
        limit: the maximum number of rows; None for all rows.
        offset: the number of rows to skip at the start.
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
        text: the row as JSON text, encoded and compared by the core. A store that keeps a row in one value stores the text;
            see `RowCodec.text_of`. None for a row that is deleted, or that the core has not encoded: the types of the
            values of most rows show that they come back.
    """

    key: object
    row: V_co | None
    position: Position
    text: str | None = None


class RowReader(Protocol[V_co]):
    """Read the committed rows of one view, and inside a transaction also its own writes."""

    async def get_many(self, keys: Collection[object]) -> Mapping[object, V_co]:
        """Return the rows that exist, by key. The core hands over keys of the key field's type.

        Raises:
            UnreadableRow: a row does not fit the view. The error names its key.
        """
        ...

    async def select(self, selection: Selection, *, unreadable: list[UnreadableRow] | None = None) -> Sequence[V_co]:
        """Return the rows of a selection, in its order.

        Args:
            selection: the selection.
            unreadable: a list. If it is given, rows that do not fit the view are left out, and their errors are added to it.

        Raises:
            UnreadableRow: a row does not fit the view, and no list is given.
        """
        ...

    async def count(self, where: Sequence[Condition]) -> int:
        """Return how many rows match."""
        ...


class RowWriter(RowReader[V], Protocol[V]):
    """Change the rows of one view, inside the transaction that gave this writer."""

    async def write(self, changes: Sequence[RowChange[V]]) -> None:
        """Apply changes, at most one for each key. The result of two changes of one key is not defined.

        The core passes rows that fit their view. A store must accept texts without NUL characters and lone surrogates,
        signed integers of 64 bits, and times with a time zone, and must return them equal. A store refuses other values
        that it cannot store, and texts that are too long for its keys and indexes, in this call. It never truncates or
        rounds. Rows that were written with a field that the view no longer has can still be read.

        A change that is older than the stored position of the row is ignored, also if the row has been deleted since.
        An older write never overwrites a newer one and never restores a deleted row. A change with the same position
        applies.

        Raises:
            NotStorable: a row cannot be stored; the text names the row or the value. The transaction must be rolled
                back. The same changes without that row can be written in another transaction. A row raises no other
                error, and this error is raised for rows only, because the event that caused it is parked.
        """
        ...
