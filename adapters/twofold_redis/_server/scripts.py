"""The Lua scripts that read, and the scripts that grant leases."""

from __future__ import annotations

from typing import Final

from .lua import RUN
from .server import Script

FIND: Final = Script(
    """
-- KEYS: rows, gone, index, layout. ARGV: what is asked, as JSON; the ranges, each from where to where; the keys of rows.
local asked, argument = cjson.decode(ARGV[1]), 1
local function arg() argument = argument + 1 return ARGV[argument] end

local layout = redis.call('GET', KEYS[4])
if layout and layout ~= asked.layout then return {'layout', layout} end

local MOST = 4000  -- how many values Lua takes from a table at a time
local function many(key, names, from)
  local values = {}
  for first = from, #names, MOST do
    local last = math.min(first + MOST - 1, #names)
    local some = redis.call('HMGET', key, unpack(names, first, last))
    for i = 1, last - first + 1 do values[#values + 1] = some[i] end
  end
  return values
end

local result = asked.what == 'count' and 0 or {}
if asked.what == 'all' then result = redis.call('HVALS', KEYS[1]) end
for _ = 1, asked.ranges do
  local low, high = arg(), arg()
  if asked.what == 'count' then
    result = result + redis.call('ZLEXCOUNT', KEYS[3], low, high)
  else
    local found
    if asked.reverse then
      found = redis.call('ZREVRANGEBYLEX', KEYS[3], high, low, 'LIMIT', asked.offset, asked.limit)
    else
      found = redis.call('ZRANGEBYLEX', KEYS[3], low, high, 'LIMIT', asked.offset, asked.limit)
    end
    if asked.tail > 0 then
      for j, member in ipairs(found) do
        local length = struct.unpack('>I4', member, #member - 3)
        found[j] = string.sub(member, #member - asked.tail - length + 1, #member - asked.tail)
      end
    end
    for _, value in ipairs(many(KEYS[1], found, 1)) do result[#result + 1] = value end
  end
end
return {'found', result, many(KEYS[1], ARGV, argument + 1), many(KEYS[2], ARGV, argument + 1)}
"""
)

RUN_ID: Final = Script(RUN + "return run")

TIME: Final = Script("return redis.call('TIME')")

PARKED_EVENTS: Final = Script(
    """
-- KEYS: events, order, again, numbers.
-- ARGV: a key and what follows it, or nothing; the position before the page, or nothing; how many.
local function place(member)
  return string.sub(member, -36, -21), string.match(string.sub(member, -20), '^0*(%d+)$')
end
local function fill()
  redis.call('DEL', KEYS[4])
  for _, member in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    local number, position = place(member)
    redis.call('ZADD', KEYS[4], number, position)
  end
end
if redis.call('ZCARD', KEYS[4]) ~= redis.call('HLEN', KEYS[1]) then fill() end  -- an earlier release has written the events
local function number_of(event) return event and string.match(event, '^%d+') end
local after = number_of(ARGV[3] ~= '' and redis.call('HGET', KEYS[1], ARGV[3]))
if ARGV[3] ~= '' and not after then return false end
local function page()
  if ARGV[1] == '' then
    return redis.call('ZRANGEBYSCORE', KEYS[4], after and '(' .. after or '-inf', '+inf', 'LIMIT', 0, ARGV[4])
  end
  local low, found = '[' .. ARGV[1], {}
  if after then low = '(' .. ARGV[1] .. after .. string.rep('9', 20) end
  for i, member in ipairs(redis.call('ZRANGEBYLEX', KEYS[2], low, '(' .. ARGV[2], 'LIMIT', 0, ARGV[4])) do
    local _, position = place(member)
    found[i] = position
  end
  return found
end
local function read()
  local result = {}
  for i, position in ipairs(page()) do
    local event = redis.call('HGET', KEYS[1], position)
    local number = number_of(event)
    if not number or tonumber(number) ~= tonumber(redis.call('ZSCORE', KEYS[4], position) or '') then return end
    result[i] = {event, redis.call('HGET', KEYS[3], position)}
  end
  return result
end
local result = read()
if not result then  -- an earlier release has removed and added the same number of events
  fill()
  result = read()
end
return result
"""
)

_LEASES: Final = (
    RUN
    + """
-- The time, in microseconds. In another run of the server something may be lost: leases given before are worth nothing, so
-- that their owners read the checkpoints again.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

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
)

PARTITIONS: Final = Script(
    _LEASES
    + """
-- KEYS: partitions, pause.
local result, pause = {}, redis.call('GET', KEYS[2])
for i, number in ipairs(numbers()) do
  local generation, expires, current, owner = lease_of(number)
  local held = current and expires > now
  result[i] = {number, redis.call('HGET', KEYS[1], number), generation, held and owner or false, pause}
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
    -- Of the clock: after a FLUSHALL, too, no generation is given twice.
    generation = string.format('%.0f', math.max(generation + 1, now))
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
