"""Commands that take effect once, however often they come: with an idempotency key, or from a broker."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol

from .._background.key_locks import KeyLocks
from .._buses.no_handler import Handle
from ..errors import InvalidKey
from ..ports.idempotency_keys import LONGEST_KEY
from .invocation import Invoke
from .scope import current

if TYPE_CHECKING:
    from .scope import Scope

NEW: Final = object()
"""What a claim returns when the command has not taken effect before."""


class Once(Protocol):
    """What makes one dispatch the same as another one."""

    def turn(self) -> object:
        """Return what is equal for those of this process that need not run at the same time."""
        ...

    async def claim(self, scope: Scope) -> Any:
        """Claim it in the unit of work of a command; return `NEW`, or the answer of the one that was first."""
        ...

    async def handled(self, scope: Scope, result: Any) -> None:
        """Let the unit of work remember what the handler returned."""
        ...


asked: ContextVar[Once] = ContextVar("twofold.once")
"""What the dispatch that goes on here asked for."""


def claiming(invoke: Invoke) -> Invoke:
    """Claim before the handler runs, first thing in its transaction, so that a second one waits and does not begin."""

    async def invoke_once(scope: Scope, command: Any) -> Any:
        once = asked.get()
        answer = await once.claim(scope)
        if answer is not NEW:
            return answer
        result = await invoke(scope, command)
        await once.handled(scope, result)
        return result

    return invoke_once


def in_turn(handle: Handle, locks: KeyLocks) -> Handle:
    """Let those of this process wait here and not in the database; nested ones run within their outer command."""

    async def one_by_one(command: Any) -> Any:
        parent = current.get()
        if parent is not None and parent.message is not None:
            return await handle(command)
        async with locks.hold(asked.get().turn()):
            return await handle(command)

    return one_by_one


def check_key(what: str, key: str) -> str:
    """Return a key that every store can keep.

    Args:
        what: what it is, with its article, for the error.
        key: the key.

    Raises:
        InvalidKey: it is no text, or is empty or too long.
    """
    if not isinstance(key, str):
        raise InvalidKey(f"cannot use {key!r:.100} as {what}: it is no text. Use a str, such as {str(key)[:40]!r}.")
    if 0 < len(key) <= LONGEST_KEY:
        return key
    raise InvalidKey(
        f"cannot use {key[:40]!r} as {what}: it has {len(key)} characters. Use 1 to {LONGEST_KEY}; "
        "of a longer text its hash."
    )
