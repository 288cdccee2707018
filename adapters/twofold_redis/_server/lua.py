"""Lua functions that several scripts share."""

from __future__ import annotations

from typing import Final

OLDER: Final = """
-- Positions have up to 64 bits, more than a number in Lua, and are compared as texts.
local function older(one, other)
  return #one < #other or (#one == #other and one < other)
end
"""

SURE: Final = 0.1
"""How long a process trusts the run id of Redis, in seconds. A restart or a failover takes longer."""

RUN: Final = """
-- The run id of the server changes with a restart and with a failover. Without permission to read it, it counts as constant.
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or '-'
"""
