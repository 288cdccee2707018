"""Twofold in memory: every port, in one process, with nothing to install. Data goes through JSON as in any other store."""

from ._store import InMemory

__all__ = ["InMemory"]
