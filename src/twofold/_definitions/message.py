"""Commands, queries and events."""

from __future__ import annotations

import re
from inspect import Parameter
from typing import Any, ClassVar, Generic

from typing_extensions import TypeVar

from ..errors import InvalidDefinition
from .frozen_model import FrozenModel

R_co = TypeVar("R_co", covariant=True)

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*([.\-][A-Za-z0-9_]+)*")
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Message(FrozenModel):
    """What commands, queries and events have in common: frozen, and validated when made.

    Class arguments:
        name: the stable wire name, for example `"orders.order_placed"`. It is what gets stored and sent; the Python
            class may be renamed or moved freely. Events need one; commands and queries only when they leave the
            process.
        version: the version of the fields, from 1. Raise it together with an upcaster.

    Raises:
        InvalidDefinition: the name or the version is not usable.
    """

    message_name: ClassVar[str | None] = None
    message_version: ClassVar[int] = 1

    def __init_subclass__(cls, *, name: str | None = None, version: int = 1, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if name is not None and not (len(name) <= 200 and _NAME.fullmatch(name)):
            raise InvalidDefinition(
                f"cannot give {cls.__qualname__} the wire name {name!r}. Use words of letters, digits and '_' "
                "joined by '.', at most 200 characters, such as 'orders.order_placed'."
            )
        if version < 1:
            raise InvalidDefinition(f"cannot give {cls.__qualname__} version {version}. Versions count from 1.")
        cls.message_name = name
        cls.message_version = version


class Command(Message, Generic[R_co]):
    """Ask for a change. `class PlaceOrder(Command[str])` answers with a `str`; use `Command[None]` for no answer."""


class Query(Message, Generic[R_co]):
    """Ask a question. `class GetOrder(Query["OrderView | None"])` answers with an `OrderView` or None."""


class Event(Message):
    """Say what happened: `class OrderPlaced(Event, name="orders.order_placed", version=1)`."""


def result_type(message: type[Any]) -> Any:
    """Return what a command or query is answered with, as it was declared; `Parameter.empty` when that cannot be told."""
    for base in message.__mro__:
        metadata = getattr(base, "__pydantic_generic_metadata__", None) or {}
        if metadata.get("origin") in (Command, Query):
            return metadata["args"][0]
    return Parameter.empty


def snake_case(name: str) -> str:
    """Return the name of a class as it stands in a wire name: `buy_tool` for `BuyTool`."""
    return _WORDS.sub("_", name).lower()
