"""Views, the row types of read models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from types import NoneType
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, get_args, get_origin

from pydantic import AwareDatetime, EmailStr, FutureDate, FutureDatetime, NaiveDatetime, PastDate, PastDatetime

from .._background.shown import shown_option
from ..errors import InvalidDefinition
from .annotations import options, plain
from .frozen_model import FrozenModel
from .names import annotated, shadowed, wrong_fields, wrong_table
from .scalar_form import scalar_form


def _refuse_shadows(cls: type[View], declared: Iterable[str], fields: Iterable[str]) -> None:
    name = shadowed(View, declared, fields)
    if name is not None:
        raise InvalidDefinition(
            f"cannot declare {name!r} in {cls.__qualname__}: every view has an attribute of that name. Rename the field. "
            f"The name and the key are class arguments: class {cls.__name__}(View, name='order_view', key='order_id')."
        )


class View(FrozenModel):
    """A row of a read model: a frozen pydantic model with a stable name and a key.

        class OrderView(View, name="order_view", key="order_id", indexes=["user_id", ("user_id", "placed_at")]):
            order_id: str
            user_id: int
            placed_at: datetime

    Class arguments:
        name: the stable name of the read model, used for tables and keys. ASCII letters, digits and `_`, at most 48.
        key: the field that identifies a row.
        indexes: fields, or tuples of fields, that queries filter and sort by. The adapter creates an index for each.

    A class without `name` and `key` is a base class of other views. It has no rows.

    Raises:
        InvalidDefinition: the name of the view or of a field is not valid, the class does not have a field of `key` or
            `indexes`, not every store can compare the values of such a field, or the class has a `model_serializer`. The
            rules are the strictest of all stores, so that a view fits each of them.
    """

    view_name: ClassVar[str] = ""
    view_key: ClassVar[str] = ""
    view_indexes: ClassVar[tuple[tuple[str, ...], ...]] = ()
    _fields_were_known: ClassVar[bool] = True

    def __init_subclass__(
        cls, *, name: str = "", key: str = "", indexes: Sequence[str | tuple[str, ...]] = (), **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        _refuse_shadows(cls, vars(cls), annotated(cls))

    @classmethod
    def __pydantic_init_subclass__(
        cls, *, name: str = "", key: str = "", indexes: Sequence[str | tuple[str, ...]] = (), **kwargs: Any
    ) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        _refuse_shadows(cls, (), cls.model_fields)  # those of base classes too
        if not name and not key:
            return
        if isinstance(indexes, str):
            raise InvalidDefinition(
                f"cannot read indexes={indexes!r} of the view {cls.__qualname__}: it is a string, not a list. Write "
                f"indexes=[{indexes!r}]."
            )
        cls.view_name = name
        cls.view_key = key
        cls.view_indexes = tuple((index,) if isinstance(index, str) else tuple(index) for index in indexes)
        if not name or not key:
            raise InvalidDefinition(
                f"cannot declare the view {cls.__qualname__}: it has a {'key and no name' if key else 'name and no key'}. "
                f"Give both. The key is the field that identifies a row: class {cls.__name__}(View, "
                f"name={name or 'order_view'!r}, key={key or next(iter(cls.model_fields), 'id')!r})."
            )
        if wrong := wrong_table(name):
            raise InvalidDefinition(
                f"cannot name the view {cls.__qualname__} {shown_option(name)}. {wrong}: "
                "class OrderView(View, name='order_view', key='order_id')."
            )
        if wrong := wrong_fields(cls.model_fields):
            raise InvalidDefinition(f"cannot declare the view {cls.__qualname__}: {wrong}.")
        if cls.__pydantic_decorators__.model_serializers:
            raise InvalidDefinition(
                f"cannot declare the view {cls.__qualname__}: it has a model_serializer, and stores keep the fields of a "
                "row in columns. Use a field_serializer for each field, or a field with a model of its own."
            )
        for field in (key, *(field for index in cls.view_indexes for field in index)):
            if field not in cls.model_fields:
                raise InvalidDefinition(
                    f"the view {cls.__qualname__} has no field {field!r}, which its key or an index names. "
                    f"Its fields are: {', '.join(cls.model_fields)}."
                )
        cls._fields_were_known = cls.__pydantic_complete__
        if cls._fields_were_known and (wrong := incomparable(cls)):
            raise InvalidDefinition(f"cannot declare the view {cls.__qualname__}: {wrong}")

    @property
    def key(self) -> Any:
        """The key of this row."""
        return getattr(self, self.view_key)


def incomparable(view: type[View]) -> str | None:
    """Return an error text if not every store can compare the values of the key or of an index."""
    for name in (view.view_key, *(field for index in view.view_indexes for field in index)):
        kind, optional, _ = field_type(view, name)
        form = scalar_form(kind) if isinstance(kind, type) else None
        why = "its values cannot be compared" if form is None else ""
        if name == view.view_key and form is not None:
            why = "it is optional" if optional else ""
            if form.kind is Decimal:
                why = "equal decimals such as 2.5 and 2.50 are different texts"
        if why:
            use = "key" if name == view.view_key else "index"
            return f"the {use} is the field {name!r}: {why}. Use a field of a scalar type, such as str."
    return None


class FieldType(NamedTuple):
    """The type of a field of a view.

    Attributes:
        plain: the class of the values, without None: `int` for `UserId | None` with `UserId = NewType("UserId", int)`. It is
            another annotation if the values have no single class.
        optional: whether the field may be None.
        exact: whether every value of that class is valid in the field.
    """

    plain: Any
    optional: bool
    exact: bool


def field_type(view: type[View], field: str) -> FieldType:
    """Return the type of a field, for a store that chooses a column or an index by the type."""
    info = view.model_fields[field]
    alternatives = options(info.annotation)
    present = [each for each in alternatives if each is not None and each is not NoneType]
    classes = [_class(each) for each in present]
    exact = not info.metadata and len(present) == 1 and classes[0] is present[0] and not _is_annotated(info.annotation)
    optional = len(present) < len(alternatives) or any(None in get_args(each) for each in present if _is_literal(each))
    return FieldType(classes[0] if len(classes) == 1 else info.annotation, optional, exact)


def _class(annotation: Any) -> Any:
    """Return the class of the values of an annotation, or the annotation if they have no single class."""
    while hasattr(annotation, "__supertype__"):  # a NewType
        annotation = plain(annotation.__supertype__)
    if _is_literal(annotation):
        classes = {type(value) for value in get_args(annotation) if value is not None}
        return classes.pop() if len(classes) == 1 else annotation
    return _CLASSES.get(annotation, annotation) if isinstance(annotation, type) else annotation


def _is_literal(annotation: Any) -> bool:
    return get_origin(annotation) is Literal


def _is_annotated(annotation: Any) -> bool:
    return get_origin(annotation) is Annotated or any(map(_is_annotated, get_args(annotation)))


_CLASSES: Final[Mapping[Any, type]] = {
    **dict.fromkeys((AwareDatetime, NaiveDatetime, PastDatetime, FutureDatetime), datetime),
    **dict.fromkeys((PastDate, FutureDate), date),
    EmailStr: str,
}
"""The classes of the values of pydantic's types that are classes only by name."""
