from __future__ import annotations

import pytest

from tests.hints import HINTS
from tests.mutants.hints import HINTS as BROKEN
from tests.mutants.hints import Unbroken
from tests.mutants.port_harness import PortMutantSuite
from twofold.testing.conformance import HintsSuite, NewHints


@pytest.fixture
def new_adapter(new_hints: NewHints) -> NewHints:
    """Open hints."""
    return new_hints


class TestMutants(PortMutantSuite):
    """Hints that are broken."""

    suite = HintsSuite
    mutants = BROKEN
    kinds = HINTS
    unbroken = Unbroken
