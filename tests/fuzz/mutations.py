"""Random inputs that resemble valid ones."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from random import Random
from typing import Any

HOSTILE: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        2**31,
        2**63 - 1,
        2**63,
        -(2**63) - 1,
        10**400,
        1.5,
        -0.0,
        1e308,
        float("inf"),
        float("nan"),
    ),
    *(
        "",
        "\0",
        "\ud800",
        "\u2028",
        "é",
        "1",
        "true",
        "null",
        "NaN",
        "1e999999",
        "x" * 5_000,
        "%s%n{0}",
        "../..",
        "$where",
    ),
    *("2025-02-30", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2025-03-30T02:30:00", "24:00"),
    *([], {}, [[]] * 20, {"": {}}, {"\0": 1}, {"a": [1, {"b": None}]}),
)
"""Values that replace a value of a valid input."""


def mutated(seed: bytes, source: Random) -> bytes:
    """Return a variation of a valid input: damaged bytes, replaced values, or both, in the encoding of the seed."""
    choice = source.random()
    if choice < 0.1:
        return source.randbytes(source.randrange(200))
    if choice < 0.55 and (changed := _with_other_values(seed, source)) is not None:
        return changed
    return _damaged(seed, source)


def _with_other_values(seed: bytes, source: Random) -> bytes | None:
    """Replace values of a JSON text, also of one in base64; None for any other text."""
    for decode, encode in ((bytes, bytes), (_from_base64, _to_base64)):
        try:
            found = json.loads(decode(seed))
        except ValueError:
            continue
        for _ in range(source.randrange(1, 4)):
            found = _replaced(found, source)
        text = json.dumps(found, ensure_ascii=source.random() < 0.5)
        return encode(text.encode("utf-8", "surrogatepass"))
    return None


def _replaced(found: Any, source: Random) -> Any:
    if isinstance(found, dict) and found and source.random() < 0.9:
        name = source.choice(list(found))
        if source.random() < 0.1:
            return {other: value for other, value in found.items() if other != name}
        return {**found, name: _replaced(found[name], source)}
    if isinstance(found, list) and found and source.random() < 0.8:
        place = source.randrange(len(found))
        return [*found[:place], _replaced(found[place], source), *found[place + 1 :]]
    return source.choice(HOSTILE)


def _damaged(seed: bytes, source: Random) -> bytes:
    content = bytearray(seed)
    for _ in range(source.randrange(1, 6)):
        place = source.randrange(len(content) + 1)
        match source.randrange(4):
            case 0:
                content[place : place + 1] = source.randbytes(1)
            case 1:
                content[place:place] = source.randbytes(source.randrange(1, 8))
            case 2:
                del content[place : place + source.randrange(1, 20)]
            case _:
                content[place:place] = content[place : place + 50] * source.randrange(1, 40)
    return bytes(content)


def nested(depth: int) -> Sequence[bytes]:
    """Return deeply nested JSON texts."""
    return b"[" * depth, b'{"a":' * depth, b"[" * depth + b"]" * depth


def _from_base64(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def _to_base64(text: bytes) -> bytes:
    return base64.urlsafe_b64encode(text).rstrip(b"=")
