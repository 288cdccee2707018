"""Pieces of Lua that scripts begin with."""

from __future__ import annotations

from typing import Final

OLDER: Final = """
-- Positions have up to 64 bits, more than a number of Lua: they are compared as texts.
local function older(one, other)
  return #one < #other or (#one == #other and one < other)
end
"""

RUN: Final = """
-- Which run of the server this is: another one after a restart, and when another server has taken over. A server that does
-- not let us ask is one run.
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or '-'
"""
