"""An application to be wired."""

from __future__ import annotations

import pytest

from twofold import Application
from twofold_memory import InMemory


@pytest.fixture
def app() -> Application:
    """Give an application without handlers."""
    return Application("wiring", write=InMemory())
