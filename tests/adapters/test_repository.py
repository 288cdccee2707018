from __future__ import annotations

from tests.stores import STORES
from twofold.testing.conformance import RepositorySuite


class TestRepository(RepositorySuite):
    """Repositories, on every adapter."""

    kinds = STORES
