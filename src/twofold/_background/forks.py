"""Fork: a child process forgets what belongs to its parent."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

_forgetful: WeakKeyDictionary[Any, Callable[[Any], object]] = WeakKeyDictionary()
_of_parents: list[object] = []
"""The objects of parent processes, which must not be collected: a finaliser would close shared connections."""


def after_fork(owner: T, forget: Callable[[T], object]) -> None:
    """Call a function in each forked process, so that an object forgets the connections and locks of the parent process.

    Parent and child share every open socket and file, and the child has none of the parent's threads. So the child must
    neither use nor close a connection of the parent.

    Args:
        owner: the object. It is not kept alive.
        forget: resets the object, without waiting for anything, and returns what belongs to the parent. The returned object
            is never collected in the child.
    """
    _forgetful[owner] = forget


def _forget_all() -> None:
    for owner, forget in list(_forgetful.items()):
        _of_parents.append(forget(owner))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
