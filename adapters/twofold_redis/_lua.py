"""Pieces of Lua that scripts begin with."""

from __future__ import annotations

from typing import Final

OLDER: Final = """
-- Positions have up to 64 bits, more than a number of Lua: they are compared as texts.
local function older(one, other)
  return #one < #other or (#one == #other and one < other)
end
"""
