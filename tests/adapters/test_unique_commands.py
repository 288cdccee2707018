from __future__ import annotations

from tests.stores import STORES
from twofold.testing.conformance import UniqueCommandSuite


class TestUniqueCommands(UniqueCommandSuite):
    """Unique values in commands, on every adapter."""

    kinds = STORES
