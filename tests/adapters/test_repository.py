from __future__ import annotations

from twofold.testing.conformance import RepositorySuite


class TestRepository(RepositorySuite):
    """Repositories, on every adapter."""
