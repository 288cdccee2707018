"""The base of every model that cannot be changed after it was created, at run time and for type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field, PrivateAttr
from typing_extensions import dataclass_transform

if TYPE_CHECKING:

    @dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field, PrivateAttr))
    class _FrozenModelType(type(BaseModel)):  # type: ignore[misc]  # pydantic's metaclass has no public name
        """pydantic's metaclass, with `frozen=True` as the default."""

        def __hash__(self) -> int: ...  # pyright takes this class for a dataclass, which has no hash


# Pyright takes `frozen_default` from the metaclass alone, because pydantic's metaclass has a `dataclass_transform`. mypy
# takes it from the base class alone, because it cannot follow `type(BaseModel)`; it ignores a metaclass that is computed.
@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field, PrivateAttr))
class FrozenModel(
    BaseModel,
    frozen=True,
    extra="forbid",
    ser_json_inf_nan="strings",
    ser_json_bytes="base64",
    val_json_bytes="base64",
    metaclass=_FrozenModelType if TYPE_CHECKING else type(BaseModel),  # type: ignore[metaclass]
):
    """A pydantic model that is frozen, refuses unknown fields, and writes JSON that can be read back."""
