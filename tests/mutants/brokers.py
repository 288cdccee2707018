"""The suite of brokers, as their mutants run it."""

from __future__ import annotations

from twofold.testing.conformance import TransportSuite


class QuickSuite(TransportSuite):
    """The same cases with fewer messages."""

    published = 300
    processes = 5
    in_order = 100
