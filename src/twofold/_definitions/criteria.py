"""`select`: criteria that select events by their classes and tags."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar, overload

from pydantic import ValidationError

from .._background.shown import shown
from ..errors import ConfigurationError, InvalidKey
from .message import Event
from .on import E1, E2, E3, E4, E5, E6
from .subclasses import stored_types
from .tags import scalar_annotation, tag_of

E_co = TypeVar("E_co", bound=Event, covariant=True)


@dataclass(frozen=True, slots=True)
class Criteria(Generic[E_co]):
    """The events of some classes that have all of some tags. `select` creates it.

    Attributes:
        event_types: the classes of events; empty for events of every class.
        fields: the fields whose values are selected.
        tags: the tags, in the order in which they were passed.
    """

    event_types: tuple[type[Event], ...]
    fields: tuple[str, ...]
    tags: tuple[str, ...]


@overload
def select(**tags: object) -> Criteria[Event]: ...
@overload
def select(e1: type[E1], /, **tags: object) -> Criteria[E1]: ...
@overload
def select(e1: type[E1], e2: type[E2], /, **tags: object) -> Criteria[E1 | E2]: ...
@overload
def select(e1: type[E1], e2: type[E2], e3: type[E3], /, **tags: object) -> Criteria[E1 | E2 | E3]: ...
@overload
def select(
    e1: type[E1], e2: type[E2], e3: type[E3], e4: type[E4], /, **tags: object
) -> Criteria[E1 | E2 | E3 | E4]: ...
@overload
def select(
    e1: type[E1], e2: type[E2], e3: type[E3], e4: type[E4], e5: type[E5], /, **tags: object
) -> Criteria[E1 | E2 | E3 | E4 | E5]: ...
@overload
def select(
    e1: type[E1], e2: type[E2], e3: type[E3], e4: type[E4], e5: type[E5], e6: type[E6], /, **tags: object
) -> Criteria[E1 | E2 | E3 | E4 | E5 | E6]: ...
@overload
def select(*event_types: type[Event], **tags: object) -> Criteria[Any]: ...
def select(*event_types: type[Event], **tags: object) -> Criteria[Any]:
    """Select the events of some classes that have all of some tags.

        select(SeatTaken, SeatReleased, course_id="c1")

    A base class selects the events of every subclass that exists in this process. Without classes, events of every class are
    selected, also of classes that this release does not know. Without tags, every event of the classes is selected, and the
    whole log is searched.

    Args:
        event_types: the classes.
        tags: the values of fields that all of the classes declare as tags. With several, pass the most selective one first:
            deciders block each other by the first one only.

    Raises:
        ConfigurationError: an argument is not a class of events, or a class does not declare the field as a tag.
        InvalidKey: a value does not fit the field, or cannot be a tag.
    """
    given: tuple[object, ...] = event_types
    for each in given:
        if not (isinstance(each, type) and issubclass(each, Event)):
            raise ConfigurationError(f"cannot select {shown(each)}: pass classes of events.")
    found = [_tag(event_types, field, value) for field, value in tags.items()]
    return Criteria(event_types if Event not in event_types else (), tuple(tags), tuple(found))


def _tag(event_types: tuple[type[Event], ...], field: str, value: object) -> str:
    classes = [each for event_type in event_types if event_type is not Event for each in stored_types(event_type)]
    for event_type in classes:
        if field not in event_type.message_tags:
            raise ConfigurationError(
                f"cannot select {event_type.__qualname__} by {field!r}: it is not a tag of the class. Tags: "
                f"{', '.join(event_type.message_tags) or 'none'}. Declare it: class {event_type.__name__}(Event, ..., "
                f"tags=({field!r},)), and fill the tags of stored events with `twofold tags fill`."
            )
    try:
        found = {tag_of(field, _value(event_type, field, value)) for event_type in classes} or {tag_of(field, value)}
    except ValidationError as misfit:
        raise InvalidKey(
            f"cannot select events by {field}={shown(value)}: the field of {classes[0].__qualname__} refuses the value."
        ) from misfit
    except TypeError as error:
        raise InvalidKey(f"cannot select events by {field}={shown(value)}: {error}.") from error
    if len(found) > 1:
        raise ConfigurationError(
            f"cannot select events by {field}={shown(value)}: the classes have different forms of the value. Give the field "
            "the same type in all of them, or select them separately."
        )
    return found.pop()


def _value(event_type: type[Event], field: str, value: object) -> object:
    """Return a value as the field of a class has it: a UUID for its text, for example."""
    return _adapter(event_type, field).validate_python(value)


@cache
def _adapter(event_type: type[Event], field: str) -> Any:
    from pydantic import TypeAdapter  # few processes select

    return TypeAdapter(scalar_annotation(event_type.model_fields[field].annotation))
