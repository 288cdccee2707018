"""The selection of failovers: one by default, all with `--everywhere`."""

from __future__ import annotations

from itertools import product

import pytest

from tests.failover.lab import Round

ASYNCHRONOUS = [
    Round(engine, lost, slow, restarted)
    for engine, lost, slow, restarted in product(("postgresql", "mariadb"), (5, 60), (False, True), (False, True))
]
SYNCHRONOUS = [
    Round(engine, 0, False, restarted) for engine, restarted in product(("postgresql", "mariadb"), (False, True))
]
SHORT = Round("postgresql", 40, False, False)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the failovers."""
    if "failover_round" in metafunc.fixturenames:
        every = [*ASYNCHRONOUS, *SYNCHRONOUS]
        short = pytest.param(SHORT, marks=pytest.mark.represents(len(every)))
        rounds = every if metafunc.config.getoption("everywhere") else [short]
        metafunc.parametrize("failover_round", rounds, ids=lambda each: each.name)
