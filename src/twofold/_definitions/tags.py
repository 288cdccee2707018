"""Tags: the values of an event by which a decision selects it, such as `course_id:c1`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from hashlib import sha256
from typing import Any, Final, get_args, get_origin
from uuid import UUID

from pydantic.fields import FieldInfo

from .annotations import options
from .names import is_text
from .scalar_form import scalar_form

LONGEST_TAG_FIELD: Final = 100
"""The maximum length of the name of a field whose values are tags, in characters."""

_LONGEST: Final = 200
"""The longest value of a tag that is stored unchanged, in characters."""

_HASHED: Final = "…"
"""The first character of a value that is stored as its hash."""

_COLLECTIONS: Final = (tuple, list, set, frozenset)
_KINDS: Final = (bool, str, int, date, UUID)


def tag_of(field: str, value: object) -> str:
    """Return the tag of a field with a value. Two values have the same tag if their texts are equal, character by character.

    The text of a bool is `true` or `false`; a date and a UUID have their standard texts. A member of an enum, an address
    and a URL have the text by which read models compare them. A text that is longer than 200 characters, or that a store
    cannot keep, is replaced by its SHA-256 hash.

    Raises:
        TypeError: values of this class cannot be tags.
    """
    kind: Any = type(value)
    form = scalar_form(kind)
    if form is None or form.kind not in _KINDS or form.name == "duration":
        raise TypeError(f"{type(value).__qualname__} values cannot be tags. Use {_ADVICE}")
    return f"{field}:{_stored(_text(form.value_of(value)))}"


def tags_of(values: Mapping[str, Any], fields: Iterable[str]) -> tuple[str, ...]:
    """Return the tags of an event, each once. None has no tag, and each item of a collection has one.

    Args:
        values: the fields of the event.
        fields: the fields whose values are tags.

    Raises:
        TypeError: a value cannot be a tag.
    """
    tags: dict[str, None] = {}
    for field in fields:
        value = values[field]
        for each in value if isinstance(value, _COLLECTIONS) else (value,):
            if each is not None:
                tags[tag_of(field, each)] = None
    return tuple(tags)


def wrong_tags(fields: tuple[object, ...], found: Mapping[str, FieldInfo]) -> str | None:
    """Return why fields cannot give the tags of an event class, or None.

    Args:
        fields: the names that were declared as tags.
        found: the fields of the class.
    """
    for name in fields:
        if not isinstance(name, str) or name not in found:
            return f"{name!r:.100} is not a field. Fields: {', '.join(found) or 'none'}"
        if len(name) > LONGEST_TAG_FIELD:
            return f"the name of the field {name!r:.50} is longer than {LONGEST_TAG_FIELD} characters. Rename the field"
        wrong = [each for each in _scalars(found[name].annotation) if not _can_be_tag(each)]
        if wrong:
            return f"the field {name!r} has values of {getattr(wrong[0], '__qualname__', wrong[0])}. Use {_ADVICE}"
    return None if len(set(fields)) == len(fields) else "a field is named twice"


def scalar_annotation(annotation: Any) -> Any:
    """Return the annotation of a single value: of an item, for a collection."""
    for each in options(annotation):
        if get_origin(each) in _COLLECTIONS:
            return next(iter(get_args(each)), Any)
    return annotation


_ADVICE: Final = (
    "fields of str, int, bool, UUID, date, an enum, or a tuple of them. A number with decimals or a time has several "
    "forms that are equal"
)


def _scalars(annotation: Any) -> Iterable[Any]:
    for each in options(annotation):
        if get_origin(each) in _COLLECTIONS:
            yield from (item for argument in get_args(each) if argument is not Ellipsis for item in _scalars(argument))
        else:
            yield each


def _can_be_tag(annotation: Any) -> bool:
    """Return whether values of an annotation can be tags. Annotations other than classes are checked with each value."""
    while hasattr(annotation, "__supertype__"):  # a NewType
        annotation = annotation.__supertype__
    if not isinstance(annotation, type) or annotation is type(None):
        return True
    form = scalar_form(annotation)
    return form is not None and form.kind in _KINDS and form.name != "duration"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return str.__str__(value) if isinstance(value, str) else str(int(value) if isinstance(value, int) else value)


def _stored(text: str) -> str:
    if len(text) <= _LONGEST and is_text(text) and not text.startswith(_HASHED):
        return text
    return f"{_HASHED}{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
