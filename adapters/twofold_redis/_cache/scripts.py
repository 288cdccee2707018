"""The Lua scripts of the cache.

KEYS[1] is an answer: the mark under which it was filled, its position, event and log, and its text. KEYS[2] is the mark
of its key. A mark is valid from a lookup until the key is invalidated, and in one run of the server only: answers that
a snapshot restores, or that a replica has after a failover, are not used, because they may be invalid.
"""

from __future__ import annotations

from typing import Final

from .._server.lua import OLDER, RUN
from .._server.server import Script

_KEPT: Final = (
    OLDER
    + RUN
    + """
local function kept_under(mark)
  local kept = redis.call('GET', KEYS[1])
  if not kept then return end
  local under, position, log = string.match(kept, '^(%S+) (%d+) %S+ ([^\\n]*)\\n')
  if under == mark then return kept, position, log end
end
local mark = redis.call('GET', KEYS[2])
if mark and string.match(mark, '^[^:]*') ~= run then mark = false end
"""
)

LOOKUP: Final = Script(
    _KEPT
    + """
-- ARGV: a new mark, its milliseconds, the position that the answer must have reached, if any.
-- Returns the answer, if it is new enough, and the mark.
if mark then
  local kept, position = kept_under(mark)
  if kept and not (ARGV[3] ~= '' and older(position, ARGV[3])) then return {kept, mark} end
else
  mark = run .. ':' .. ARGV[1]
  redis.call('SET', KEYS[2], mark, 'PX', ARGV[2])
end
return {false, mark}
"""
)

FILL: Final = Script(
    _KEPT
    + """
-- ARGV: the mark of the lease, position, event, log and text, milliseconds. The mark lives at least as long as its answers.
if mark ~= ARGV[1] then return 0 end
local kept, position, log = kept_under(mark)
if kept and log == ARGV[4] and not older(position, ARGV[2]) then return 0 end
local head = table.concat({mark, ARGV[2], ARGV[3], ARGV[4]}, ' ')
redis.call('SET', KEYS[1], head .. '\\n' .. ARGV[5], 'PX', ARGV[6])
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[6]) then redis.call('PEXPIRE', KEYS[2], ARGV[6]) end
return 1
"""
)
