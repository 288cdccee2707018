"""One execution of a cached query: its key, and the position that its answer must have."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, NamedTuple

from .._definitions.envelope import Envelope
from .._definitions.position import Position
from .._dispatch.caller import Caller, current_caller, reset_caller, set_caller
from .._dispatch.middleware_steps import EnvelopedHandle
from .loads import Load, loading
from .reach import newest

_ALONE = nullcontext()
"""Surrounds the wait of a query that no load executes: no other load can wait for it in turn."""


class Question(NamedTuple):
    """One execution of a cached query.

    Attributes:
        query: the name of the query.
        name: the key of the answer, and its variant: the tenant, and the types of values with equal keys.
        needed: the position that the answer must have reached.
        above: the load whose handler executes the query; None when no load does.
    """

    query: str
    name: tuple[str, str | None]
    needed: Position | None
    above: Load | None

    def awaiting(self, load: Load) -> AbstractContextManager[None]:
        """Surround the wait for a load.

        Raises:
            DispatchCycle: (on entering) the load waits for this query.
        """
        return _ALONE if self.above is None else self.above.awaiting(load, self.query)

    def is_answered_by(self, load: Load) -> None:
        """Let the answer of the load above reach no further than the answer of this query."""
        if self.above is not None:
            self.above.is_made_of(load.reach)


def question(query: str, key: str, types: str = "") -> Question:
    """Return the execution of a query by the caller that runs here.

    Args:
        query: the name of the query.
        key: the key of the answer.
        types: the types of values whose keys are equal, if there are any.
    """
    above, caller = loading.get(), current_caller()
    needed, tenant = None, None
    if caller is not None:
        needed = caller.needed
        # The tenant as the handler finds it in its envelope.
        tenant = caller.conversation.origin.tenant if caller.scope is None else caller.scope.envelope.tenant
    if above is not None:
        above = above.live
    if above is not None:
        needed = newest(needed, above.floor)
    if types:  # a tenant never contains NUL
        tenant = f"{types}\0" if tenant is None else f"{types}\0\0{tenant}"
    return Question(query, (key, tenant), needed, above)


async def run_load(mine: Load, handle: EnvelopedHandle, query: Any, envelope: Envelope[Any] | None) -> Any:
    """Handle a query in a load.

    The queries of its handler wait for the position that the answer claims, not for the writes of the session.
    """
    caller, mark = current_caller(), None
    here = loading.set(mine)
    if isinstance(caller, Caller) and caller.needed is not None:
        mark = set_caller(replace(caller, needed=None))
    try:
        return await handle(query, envelope)
    finally:
        if mark is not None:
            reset_caller(mark)
        loading.reset(here)
