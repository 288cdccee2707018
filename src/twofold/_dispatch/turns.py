"""Turns: commands that run one after another, inside one process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from .._background.key_locks import KeyLocks
from .._buses.no_handler import Handle
from .caller import Caller, current
from .scope import Claim


@dataclass(frozen=True, slots=True)
class Turns:
    """The locks by which commands take turns, inside one process.

    Attributes:
        of_fields: held for the value of the field that `key=` names. Commands of several types share them.
        of_claims: held for a claim.
    """

    of_fields: KeyLocks = field(default_factory=KeyLocks)
    of_claims: KeyLocks = field(default_factory=KeyLocks)


def turn_of_field(turns: Turns, name: str, handle: Handle) -> Handle:
    """Let commands with an equal field take turns."""

    async def in_turn(command: Any) -> Any:
        caller = current.get()
        if caller is not None and caller.scope is not None:  # the outer command has its turn
            return await handle(command)
        async with turns.of_fields.hold(getattr(command, name)):
            return await handle(command)

    return in_turn


def turn_of_claim(turns: Turns, handle: Handle) -> Handle:
    """Let dispatches with an equal claim take turns, so that duplicates wait here and not in the database."""

    async def in_turn(command: Any) -> Any:
        caller = cast(Caller, current.get())
        if caller.scope is not None:
            return await handle(command)
        async with turns.of_claims.hold(cast(Claim, caller.claim).turn()):
            return await handle(command)

    return in_turn
