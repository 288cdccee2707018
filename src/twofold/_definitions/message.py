"""Commands, queries and events."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar, Generic

from typing_extensions import TypeVar

from .._background.shown import shown_option
from ..errors import InvalidDefinition
from .frozen_model import FrozenModel
from .names import annotated, shadowed, wrong_wire_name
from .tags import wrong_tags

R_co = TypeVar("R_co", covariant=True)

_LATEST = 2**31 - 1
"""The greatest version of a message: every store keeps it as an integer of 32 bits."""

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _refuse_shadows(cls: type[Message], declared: Iterable[str], fields: Iterable[str]) -> None:
    name = shadowed(Message, declared, fields)
    if name is not None:
        raise InvalidDefinition(
            f"cannot declare {name!r} in {cls.__qualname__}: every message has an attribute of that name. Rename the field. "
            f"The wire name and the version are class arguments: class {cls.__name__}(..., name='orders.placed', version=1)."
        )


class Message(FrozenModel):
    """The base class of commands, queries and events: a frozen pydantic model, validated when it is created.

    Class arguments:
        name: the stable wire name, for example `"orders.order_placed"`, under which messages are stored and sent. The Python
            class can be renamed or moved. Every event needs a name. Commands and queries need one to leave the process.
        version: the schema version, from 1. Increase it when the fields change, and add an upcaster.

    Raises:
        InvalidDefinition: the name or the version is not valid, or a field has the name of an attribute of this class.
    """

    message_name: ClassVar[str | None] = None
    message_version: ClassVar[int] = 1
    message_tags: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, *, name: str | None = None, version: int = 1, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _refuse_shadows(cls, vars(cls), annotated(cls))
        if name is not None and (wrong := wrong_wire_name(name)):
            raise InvalidDefinition(f"cannot give {cls.__qualname__} the wire name {shown_option(name)}. {wrong}.")
        if name is not None and name.startswith("twofold.") and not cls.__module__.startswith("twofold."):
            raise InvalidDefinition(
                f"cannot give {cls.__qualname__} the wire name {name!r}. Names that begin with 'twofold.' are reserved for "
                "messages of Twofold. Use another name."
            )
        if type(version) is not int or not 1 <= version <= _LATEST:
            raise InvalidDefinition(
                f"cannot give {cls.__qualname__} version {shown_option(version)}. Use an integer from 1 to {_LATEST}."
            )
        cls.message_name = name
        cls.message_version = version

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        _refuse_shadows(cls, (), cls.model_fields)  # those of base classes too


def _check_result_type(cls: type[Message]) -> None:
    """Check that the generic base classes of a command or query have their types in brackets."""
    for base in cls.__bases__ if cls.__pydantic_generic_metadata__["origin"] is None else ():
        if issubclass(base, Message) and not all(map(_has_default, _open_parameters(base))):
            none = f", or class {cls.__name__}({base.__name__}[None]) without a result" if base is Command else ""
            raise InvalidDefinition(
                f"cannot define {cls.__qualname__}: its base class {base.__name__} has no result type in brackets. Write "
                f"class {cls.__name__}({base.__name__}[str]) for a result that is a str{none}."
            )


def _open_parameters(base: type[Message]) -> tuple[Any, ...]:
    """Return the type parameters of a class that is written without brackets."""
    generic = base.__pydantic_generic_metadata__
    return generic["parameters"] if generic["origin"] is None else ()


def _has_default(parameter: Any) -> bool:
    return bool(getattr(parameter, "has_default", bool)())


class Command(Message, Generic[R_co]):
    """A request for a change. The result of `class PlaceOrder(Command[str])` is a `str`. No result is `Command[None]`.

    Raises:
        InvalidDefinition: the result type in brackets is missing; and see `Message`.
    """

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        _check_result_type(cls)


class Query(Message, Generic[R_co]):
    """A question. The answer to `class GetOrder(Query["OrderView | None"])` is an `OrderView` or None.

    Raises:
        InvalidDefinition: the type of the answer in brackets is missing; and see `Message`.
    """

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        _check_result_type(cls)


class Event(Message):
    """A fact that happened: `class OrderPlaced(Event, name="orders.order_placed", version=1)`.

    Class arguments:
        tags: the names of fields whose values are tags. `Boundary.read` selects events by them. The tags of
            `class SeatTaken(Event, name="courses.seat_taken", tags=("course_id", "student_id"))` are `course_id:c1` and
            `student_id:s9`. A subclass has the tags of its base class, unless it has its own.

    Raises:
        InvalidDefinition: a tag is not a field, or its values have several forms that are equal; and see `Message`.
    """

    def __init_subclass__(cls, *, tags: tuple[str, ...] | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if tags is not None:
            if not isinstance(tags, tuple):
                raise InvalidDefinition(
                    f"cannot give {cls.__qualname__} the tags {shown_option(tags)}. Use a tuple of the names of fields."
                )
            cls.message_tags = tags

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if wrong := wrong_tags(cls.message_tags, cls.model_fields):
            raise InvalidDefinition(f"cannot give {cls.__qualname__} the tags {cls.message_tags!r:.200}: {wrong}.")


def snake_case(name: str) -> str:
    """Return the name of a class in the style of wire names: `buy_tool` for `BuyTool`."""
    return _WORDS.sub("_", name).lower()
