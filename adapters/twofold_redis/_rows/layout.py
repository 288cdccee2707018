"""Check whether stored rows have the indexes of a view, and create the indexes again if not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from twofold import View
from twofold.errors import ConfigurationError, StorageError

from .._commit.commit import other_layout
from .._server.keys import Keys, RowKeys
from .._server.server import Argument, Script, Server
from .shape import Shape, packed, shape_of

_MEMORY: Final = Script(
    """
local info = redis.pcall('INFO', 'memory')
if type(info) ~= 'string' then return {'', ''} end
return {string.match(info, 'maxmemory:(%d+)') or '', string.match(info, 'maxmemory_policy:(%S+)') or ''}
"""
)

_UNINDEX: Final = Script(
    """
-- KEYS: layout, then the keys with members. No process uses the rows until their layout is written again.
redis.call('SET', KEYS[1], ARGV[1])
for i = 2, #KEYS do redis.call('UNLINK', KEYS[i]) end
return 1
"""
)

_INDEX: Final = Script(
    """
-- KEYS: members, indexes. ARGV: for each row its key, all its members packed, and each member.
local width = #KEYS + 1
for i = 1, #ARGV, width do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  for j = 2, #KEYS do redis.call('ZADD', KEYS[j], 0, ARGV[i + j]) end
end
return 1
"""
)

_SCAN: Final = Script("return redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])")

_BEING_CREATED: Final = "indexes are being created"
_BATCH: Final = 500


async def check_memory(server: Server, keys: Keys) -> None:
    """Check that Redis does not evict rows and checkpoints when its memory is full.

    Raises:
        ConfigurationError: Redis evicts any key.
    """
    limit, policy = await server.run(_MEMORY, [keys.number], [], "read the memory settings")
    if limit not in (b"", b"0") and policy.startswith(b"allkeys"):
        raise ConfigurationError(
            f"cannot store read models in this Redis: with maxmemory-policy {policy.decode()} it evicts any key when its "
            "memory is full, including rows and checkpoints. Set the policy to noeviction, or use another Redis."
        )


async def read_layouts(server: Server, keys: Keys, views: Sequence[type[View]]) -> None:
    """Check the layout of the stored rows of views.

    Raises:
        SchemaMissing: rows have another layout than their view.
    """
    for view in views:
        shape = shape_of(view)
        found = await _layout(server, keys, shape)
        if found is not None and found != shape.layout:
            raise other_layout(view.view_name, found, shape.layout)


async def index_rows(server: Server, keys: Keys, view: type[View]) -> None:
    """Create the indexes of a view's rows again, if the rows have other indexes."""
    shape, attempt = shape_of(view), f"create the indexes of {view.__qualname__}"
    found = await _layout(server, keys, shape)
    if found is None or found == shape.layout:
        return
    before = [] if found == _BEING_CREATED else found.split("; ")
    key = shape.layout.split("; ")[0]
    if before and before[0] != key:
        raise StorageError(
            f"cannot {attempt}: the stored rows have the key [{before[0]}], and the view has [{key}]. "
            "Rename the view and let its projection fill it."
        )
    live, shadow = (_keys(keys, shape, shadow=shadow) for shadow in (False, True))
    gone = [keys.rows(view, tuple(map(_index_name, before[1:])), shadow=shadow) for shadow in (False, True)]
    old = list(dict.fromkeys(name for each in (live, shadow, *gone) for name in (each.members, *each.indexes)))
    await server.run(_UNINDEX, [live.layout, *old], [_BEING_CREATED], attempt)
    for each in (live, shadow):
        if shape.indexes:
            await _index(server, shape, each, attempt)
    await server.command(attempt, "SET", live.layout, shape.layout)


async def _index(server: Server, shape: Shape[Any], keys: RowKeys, attempt: str) -> None:
    cursor = b"0"
    while True:
        cursor, pairs = await server.run(_SCAN, [keys.rows], [cursor, _BATCH], attempt)
        arguments: list[Argument] = []
        for name, stored in zip(pairs[::2], pairs[1::2], strict=True):
            members = shape.members(shape.codec.decode(stored.partition(b" ")[2]), name)
            arguments += [name, packed(members), *members]
        if arguments:
            await server.run(_INDEX, [keys.members, *keys.indexes], arguments, attempt)
        if cursor == b"0":
            return


async def _layout(server: Server, keys: Keys, shape: Shape[Any]) -> str | None:
    layout = _keys(keys, shape, shadow=False).layout
    found = await server.command(f"read the layout of {shape.view.__qualname__}", "GET", layout)
    return None if found is None else bytes(found).decode()


def _index_name(layout: str) -> str:
    """Return the name of an index, given its layout."""
    return ",".join(column.partition(":")[0] for column in layout.split(",")[:-1])


def _keys(keys: Keys, shape: Shape[Any], *, shadow: bool) -> RowKeys:
    return keys.rows(shape.view, tuple(index.name for index in shape.indexes), shadow=shadow)
