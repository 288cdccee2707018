"""Positions in the event log."""

from __future__ import annotations

from typing import Final, NewType

Position = NewType("Position", int)
"""A place in the log. Opaque: compare positions of one log with `<` and `==`, and do nothing else with them."""


START: Final = Position(0)
"""The position before the first event of any log."""
