"""Messages and views are frozen for type checkers; a class says nothing for it. Checked by `make check`; never executed."""

from __future__ import annotations

from typing import assert_type

from pydantic import Field

from twofold import Aggregate, Event

from .domain import Get, Pay, Place, Placed, Row


class About(Event):
    """A base class of events, without a wire name."""

    number: int


class Changed(About, name="frozen.changed"):
    tags: tuple[str, ...] = Field(default_factory=tuple)


class Basket(Aggregate, name="basket"):
    id: str
    pieces: int = 0


def frozen(place: Place, pay: Pay, get: Get, placed: Placed, changed: Changed, row: Row, basket: Basket) -> None:
    assert_type(Changed(number=1), Changed)
    assert_type(changed.tags, tuple[str, ...])
    assert_type({placed, placed}, set[Placed])
    assert_type(changed.model_copy(update={"number": 2}), Changed)
    basket.pieces = 1  # an aggregate changes

    place.number = 2  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    pay.number = 2  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    get.number = 2  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    placed.number = 2  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    changed.number = 2  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    changed.tags = ()  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    row.number = 2  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    Changed(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Changed()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Changed(number="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
