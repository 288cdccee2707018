"""The scripts that read, and those that hand out leases."""

from __future__ import annotations

from typing import Final

from ._server import Script

FIND: Final = Script(
    """
-- KEYS: rows, gone, index, layout. ARGV: layout, what, reverse, offset, limit, tail, ranges (low, high), row keys.
local layout = redis.call('GET', KEYS[4])
if layout and layout ~= ARGV[1] then return {'layout', layout} end
local what, reverse, offset, limit, tail = ARGV[2], ARGV[3] == '1', ARGV[4], ARGV[5], tonumber(ARGV[6])
local ranges = tonumber(ARGV[7])

local function many(key, names, from, to)
  local values = {}
  for first = from, to, 4000 do
    for _, value in ipairs({redis.call('HMGET', key, unpack(names, first, math.min(first + 3999, to)))}) do
      for i = 1, math.min(4000, to - first + 1) do values[#values + 1] = value[i] end
    end
  end
  return values
end

local result = what == 'count' and 0 or {}
if what == 'all' then result = redis.call('HVALS', KEYS[1]) end
for i = 1, ranges do
  local low, high = ARGV[6 + 2 * i], ARGV[7 + 2 * i]
  if what == 'count' then
    result = result + redis.call('ZLEXCOUNT', KEYS[3], low, high)
  else
    local found
    if reverse then
      found = redis.call('ZREVRANGEBYLEX', KEYS[3], high, low, 'LIMIT', offset, limit)
    else
      found = redis.call('ZRANGEBYLEX', KEYS[3], low, high, 'LIMIT', offset, limit)
    end
    if tail > 0 then
      for j, member in ipairs(found) do
        local length = struct.unpack('>I4', member, #member - 3)
        found[j] = string.sub(member, #member - tail - length + 1, #member - tail)
      end
    end
    for _, value in ipairs(many(KEYS[1], found, 1, #found)) do result[#result + 1] = value end
  end
end
local first = 8 + 2 * ranges
return {'found', result, many(KEYS[1], ARGV, first, #ARGV), many(KEYS[2], ARGV, first, #ARGV)}
"""
)

ASIDE: Final = Script(
    """
-- KEYS: events, order, again. ARGV: from which member, up to which, how many.
local found = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
local result = {}
for i, member in ipairs(found) do
  local position = string.match(string.sub(member, -20), '^0*(%d+)$')
  result[i] = {position, redis.call('HGET', KEYS[1], position), redis.call('HGET', KEYS[3], position)}
end
return result
"""
)

_LEASES: Final = """
-- The time, in microseconds, and which run of the server this is. After a restart, or when another server has taken
-- over, something may be lost: leases given before are worth nothing, so that their holders read the checkpoints anew.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or '-'

local function lease_of(number)
  local found = redis.call('HGET', KEYS[1], number .. ':lease')
  if not found then return end
  local generation, expires, given, owner = string.match(found, '^(%d+) (%d+) (%S+) (.*)$')
  return generation, tonumber(expires), given == run, owner
end
local function write(number, generation, expires, owner)
  redis.call('HSET', KEYS[1], number .. ':lease', string.format('%s %.0f %s %s', generation, expires, run, owner))
end
local function numbers()
  local found = {}
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if not string.find(field, ':') then found[#found + 1] = tonumber(field) end
  end
  table.sort(found)
  return found
end
"""

SEGMENTS: Final = Script(
    _LEASES
    + """
local result = {}
for i, number in ipairs(numbers()) do
  local generation, expires, current, owner = lease_of(number)
  local held = current and expires > now
  result[i] = {number, redis.call('HGET', KEYS[1], number), generation, held and owner or false}
end
return result
"""
)

CLAIM: Final = Script(
    _LEASES
    + """
-- ARGV: owner, microseconds, how many at most, whether by force.
local taken = {}
for _, number in ipairs(numbers()) do
  if #taken >= tonumber(ARGV[3]) then break end
  local generation, expires, current = lease_of(number)
  if ARGV[4] == '1' or not current or expires <= now then
    generation = string.format('%.0f', generation + 1)
    write(number, generation, now + ARGV[2], ARGV[1])
    taken[#taken + 1] = {number, generation}
  end
end
return taken
"""
)

RENEW: Final = Script(
    _LEASES
    + """
-- ARGV: microseconds, or nothing to release; numbers and generations. Returns which of them still hold.
local held = {}
for i = 2, #ARGV, 2 do
  local generation, _, current, owner = lease_of(ARGV[i])
  if generation == ARGV[i + 1] and (current or ARGV[1] == '') then
    if ARGV[1] == '' then
      write(ARGV[i], generation, 0, '')
    else
      write(ARGV[i], generation, now + ARGV[1], owner)
    end
    held[#held + 1] = i / 2
  end
end
return held
"""
)

ATTEND: Final = Script(
    """
-- ARGV: owner, microseconds.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
return redis.call('ZCOUNT', KEYS[1], string.format('(%.0f', now), '+inf')
"""
)
