"""Positions in the event log."""

from __future__ import annotations

from typing import Final, NewType

Position = NewType("Position", int)
"""The position of an event in the event log. It is opaque: only compare positions of the same log, with `<` and `==`."""


START: Final = Position(0)
"""The position before the first event of any log."""
