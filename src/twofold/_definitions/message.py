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
    """The base class of commands, queries and events: a frozen pydantic model, validated when it is created.

    Class arguments:
        name: the stable wire name, for example `"orders.order_placed"`, under which messages are stored and sent. The Python
            class can be renamed or moved. Every event needs a name. Commands and queries need one to leave the process.
        version: the schema version, from 1. Increase it when the fields change, and add an upcaster.

    Raises:
        InvalidDefinition: the name or the version is not valid.
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
            raise InvalidDefinition(
                f"cannot give {cls.__qualname__} version {version}. The version must be at least 1."
            )
        cls.message_name = name
        cls.message_version = version


class Command(Message, Generic[R_co]):
    """A request for a change. The result of `class PlaceOrder(Command[str])` is a `str`. No result is `Command[None]`."""


class Query(Message, Generic[R_co]):
    """A question. The answer to `class GetOrder(Query["OrderView | None"])` is an `OrderView` or None."""


class Event(Message):
    """A fact that happened: `class OrderPlaced(Event, name="orders.order_placed", version=1)`."""


def result_type(message: type[Any]) -> Any:
    """Return the declared result type of a command or query, or `Parameter.empty` if it is not known."""
    for base in message.__mro__:
        metadata = getattr(base, "__pydantic_generic_metadata__", None) or {}
        if metadata.get("origin") in (Command, Query):
            return metadata["args"][0]
    return Parameter.empty


def snake_case(name: str) -> str:
    """Return the name of a class in the style of wire names: `buy_tool` for `BuyTool`."""
    return _WORDS.sub("_", name).lower()
