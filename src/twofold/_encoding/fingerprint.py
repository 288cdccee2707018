"""Hashes of commands, to recognise an idempotency key that is used with another payload."""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from hashlib import scrypt
from typing import Any

import anyio.to_thread
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json

from .._definitions.message import Command
from ..errors import ResultNotRecordable
from .equal_values import plain
from .secrets import is_secret


async def fingerprint(command: Command[Any], key: str) -> str:
    """Return a keyed hash of a command's fields that is the same in every process.

    Every field counts, also one that is a secret, or that `exclude=True` or a serializer keeps out of JSON. A command with a
    secret is hashed slowly and in a worker thread, so that a reader of the hash and the key needs long to try passwords: a
    guess takes 4 MiB of memory and at least 10 ms.

    Args:
        command: the command.
        key: the idempotency key, with the tenant. Hashes of equal commands with different keys have nothing in common.

    Raises:
        ResultNotRecordable: a field has no JSON.
    """
    text = _Canonical()
    try:
        found = text.of(command).encode()
    except Exception as error:
        raise ResultNotRecordable(
            f"cannot dispatch {type(command).__name__} with an idempotency key: a field has no JSON ({error}), and so a "
            "duplicate could not be compared with the command. Use types that pydantic supports."
        ) from error
    salt = key.encode()
    if text.has_secrets:
        digest = await anyio.to_thread.run_sync(partial(scrypt, found, salt=salt, n=2**12, r=8, p=1, dklen=32))
        return digest.hex()
    return hmac.digest(salt, found, "sha256").hex()


class _Canonical:
    """Formats equal values as equal texts: sets and mappings are sorted, 1.50 is 1.5, times are in UTC."""

    has_secrets = False

    def of(self, value: Any) -> str:
        match value:
            case BaseModel():
                return "{" + ",".join(sorted(self._fields(value))) + "}"
            case Mapping():
                pairs = sorted(f"{self.of(key)}:{self.of(item)}" for key, item in value.items())
                return "{" + ",".join(pairs) + "}"
            case set() | frozenset():
                return "<" + ",".join(sorted(map(self.of, value))) + ">"
            case list() | tuple() | deque():
                return "[" + ",".join(map(self.of, value)) + "]"
        if is_secret(value):
            self.has_secrets = True
            return self.of(value.get_secret_value())
        if is_dataclass(value) and not isinstance(value, type):
            return self.of({each.name: getattr(value, each.name) for each in fields(value)})
        return to_json(plain(value), inf_nan_mode="strings", bytes_mode="base64").decode()

    def _fields(self, model: BaseModel) -> Iterator[str]:
        """Yield the fields of a model. A value that only the serializer of its field knows is replaced by its JSON."""
        values = {name: value for name, value in vars(model).items() if name in type(model).model_fields}
        for name, value in {**values, **(model.__pydantic_extra__ or {})}.items():
            try:
                text = self.of(value)
            except PydanticSerializationError:
                dumped = model.model_dump(mode="json", include={name}, by_alias=False)
                if name not in dumped:
                    raise
                text = self.of(dumped[name])
            yield f"{self.of(name)}:{text}"
