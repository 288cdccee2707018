from __future__ import annotations

import pytest

from tests.hints import HINTS
from tests.mutants.hints import HINTS as BROKEN
from tests.mutants.hints import Unbroken
from tests.mutants.port_harness import PortMutantSuite
from twofold.testing.conformance import HintsSuite, NewHints


@pytest.fixture(params=HINTS)
def kind(request: pytest.FixtureRequest) -> str:
    """Name the adapter of a test."""
    return str(request.param)


@pytest.fixture
def new_adapter(new_hints: NewHints) -> NewHints:
    """Open hints."""
    return new_hints


class TestMutants(PortMutantSuite):
    """Hints that are broken, over every adapter."""

    suite = HintsSuite
    mutants = BROKEN
    unbroken = Unbroken
