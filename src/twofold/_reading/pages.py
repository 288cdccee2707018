"""Pages of rows: their selection and their content."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from .._background.shown import shown
from .._definitions.view import View
from ..errors import InvalidFind

V = TypeVar("V", bound=View)

LAST_ROW: Final = 10**15
"""The highest number of a row on a page. Every store and its driver can represent it."""


@dataclass(frozen=True, slots=True)
class Page:
    """A numbered page. Rows may move between numbered pages while others are added; see `Keyset`.

    Args:
        number: the page, from 1.
        size: rows a page, from 1.

    Raises:
        InvalidFind: a number is not an int, is below 1, or means rows beyond 10^15.
    """

    number: int = 1
    size: int = 20

    def __post_init__(self) -> None:
        if not (_counts(self.number) and _counts(self.size) and self.number * self.size <= LAST_ROW):
            raise InvalidFind(
                f"cannot find page {shown(self.number)} of {shown(self.size)} rows. Pages and sizes are integers from 1, "
                f"and the last row of a page is at most number {LAST_ROW:.0e}."
            )


@dataclass(frozen=True, slots=True)
class Keyset:
    """The rows after a cursor. Rows that are added between two pages cause no repeats and no gaps.

    Args:
        size: the number of rows of a page, from 1.
        after: `Rows.next` of the page before, or None for the first page.

    Raises:
        InvalidFind: the size is not an int, is below 1, or is above 10^15; or the cursor is not a str.
    """

    size: int = 20
    after: str | None = None

    def __post_init__(self) -> None:
        if not _counts(self.size):
            raise InvalidFind(
                f"cannot find a page of {shown(self.size)} rows. A size is an integer from 1 to {LAST_ROW:.0e}."
            )
        if self.after is not None and not isinstance(self.after, str):
            raise InvalidFind(
                f"cannot page after {shown(self.after)}: a cursor is a str. Pass Rows.next of the page before."
            )


@dataclass(frozen=True, slots=True)
class Rows(Generic[V]):
    """The rows that were found. Iterate over them, or count them with `len`.

    Attributes:
        items: the rows, in the order asked for.
        total: how many rows match in all; only for a numbered page, else None.
        next: the cursor of the next page; only for a keyset page that is not the last, else None.
        unreadable: the keys of rows that were left out because of `skip_unreadable`.
    """

    items: tuple[V, ...]
    total: int | None = None
    next: str | None = None
    unreadable: tuple[object, ...] = ()

    def __iter__(self) -> Iterator[V]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def _counts(number: object) -> bool:
    return type(number) is int and 1 <= number <= LAST_ROW
