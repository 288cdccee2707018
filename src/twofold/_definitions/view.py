"""Views, the row types of read models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ..errors import InvalidDefinition
from .frozen_model import FrozenModel


class View(FrozenModel):
    """A row of a read model: a frozen pydantic model with a stable name and a key.

        class OrderView(View, name="order_view", key="order_id", indexes=["user_id", ("user_id", "placed_at")]):
            order_id: str
            user_id: int
            placed_at: datetime

    Class arguments:
        name: the stable name of the read model, used for tables and keys. Letters, digits and `_`, at most 48.
        key: the field that identifies a row.
        indexes: fields, or tuples of fields, that queries filter and sort by. The adapter creates an index for each.

    A class without `name` and `key` is a base class of other views. It has no rows.

    Raises:
        InvalidDefinition: the name is not valid, or the class does not have a field of `key` or `indexes`.
    """

    view_name: ClassVar[str] = ""
    view_key: ClassVar[str] = ""
    view_indexes: ClassVar[tuple[tuple[str, ...], ...]] = ()

    def __init_subclass__(
        cls, *, name: str = "", key: str = "", indexes: Sequence[str | tuple[str, ...]] = (), **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)

    @classmethod
    def __pydantic_init_subclass__(
        cls, *, name: str = "", key: str = "", indexes: Sequence[str | tuple[str, ...]] = (), **kwargs: Any
    ) -> None:
        super().__pydantic_init_subclass__(**kwargs)
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
        if not name.isidentifier() or len(name) > 48:
            raise InvalidDefinition(
                f"cannot name the view {cls.__qualname__} {name!r}. Use letters, digits and '_', at most 48: "
                "class OrderView(View, name='order_view', key='order_id')."
            )
        for field in (key, *(field for index in cls.view_indexes for field in index)):
            if field not in cls.model_fields:
                raise InvalidDefinition(
                    f"the view {cls.__qualname__} has no field {field!r}, which its key or an index names. "
                    f"Its fields are: {', '.join(cls.model_fields)}."
                )

    @property
    def key(self) -> Any:
        """The key of this row."""
        return getattr(self, self.view_key)
