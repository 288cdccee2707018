"""The script that commits a transaction: it runs all checks, then all steps."""

from __future__ import annotations

from typing import Final

from .._server.lua import OLDER
from .._server.server import Script

COMMIT: Final = Script(
    OLDER
    + """
-- KEYS[1] records that this commit was executed, for a client that lost the answer and repeats it. It is written first: a
-- Redis without free memory refuses the first write of a script, and nothing is changed then.
local argument, name = 1, 1
local function arg() argument = argument + 1 return ARGV[argument] end
local function key() name = name + 1 return KEYS[name] end

local function generation(partitions, number)
  local lease = redis.call('HGET', partitions, number .. ':lease')
  return lease and string.match(lease, '^%d+')
end

local checks = {}
function checks.place()
  local partitions, number, place, expected = key(), arg(), arg(), arg()
  local found = redis.call('HGET', partitions, number) or ''
  if found ~= place then return 'it is ' .. (found == '' and 'absent' or 'at ' .. found) end
  if expected ~= '' and generation(partitions, number) ~= expected then return 'the lease was lost' end
end
function checks.partitions()
  local partitions, count, lost = key(), tonumber(arg()), nil
  if redis.call('HLEN', partitions) ~= 2 * count then lost = 'its partitions have changed' end
  for _ = 1, count do
    local number, expected = arg(), arg()
    if generation(partitions, number) ~= expected then lost = 'a lease was lost' end
  end
  return lost
end
function checks.kept()
  local kept, expected = key(), arg()
  local found = redis.call('GET', kept)
  if found and found ~= expected then return found end
end

local function call(command, key, values)
  if #values > 0 then redis.call(command, key, unpack(values)) end
end

local steps = {}
local CHUNK = 1000
function steps.rows()
  local rows, gone, members, order, layout, log = key(), key(), key(), key(), key(), key()
  redis.call('SET', layout, arg(), 'NX')
  local from = arg()
  if from ~= '' then redis.call('SET', log, from, 'NX') end
  local indexes, count = {}, tonumber(arg())
  for i = 1, count do indexes[i] = key() end
  local left = tonumber(arg())
  while left > 0 do
    local size = math.min(left, CHUNK)
    local keys = {}
    for i = 1, size do keys[i] = ARGV[argument + 4 * i - 3] end
    local stored = redis.call('HMGET', rows, unpack(keys))
    local buried = redis.call('HMGET', gone, unpack(keys))
    local before = count > 0 and redis.call('HMGET', members, unpack(keys))
    local put, packed, enter, leave, bury, unbury = {}, {}, {}, {}, {}, {}
    local add, remove = {}, {}
    for i = 1, count do add[i], remove[i] = {}, {} end
    for i = 1, size do
      local k, position, text, mine = arg(), arg(), arg(), arg()
      local found = stored[i] and string.match(stored[i], '^%d+') or buried[i]
      if not (found and older(position, found)) then
        local was = before and before[i] or ''
        if text ~= '' then
          put[#put + 1] = k
          put[#put + 1] = position .. ' ' .. text
          if buried[i] then unbury[#unbury + 1] = k end
          if not stored[i] then
            enter[#enter + 1] = '0'
            enter[#enter + 1] = k
          end
        else
          bury[#bury + 1] = k
          bury[#bury + 1] = position
          if stored[i] then leave[#leave + 1] = k end
        end
        if mine ~= was then
          local from, new = 1, 1
          for index = 1, count do
            local old, next
            if was ~= '' then
              local length = struct.unpack('>I4', was, from)
              old, from = string.sub(was, from + 4, from + 3 + length), from + 4 + length
            end
            if mine ~= '' then
              local length = struct.unpack('>I4', mine, new)
              next, new = string.sub(mine, new + 4, new + 3 + length), new + 4 + length
            end
            if old ~= next then
              if old then table.insert(remove[index], old) end
              if next then
                table.insert(add[index], '0')
                table.insert(add[index], next)
              end
            end
          end
          if mine ~= '' then
            packed[#packed + 1] = k
            packed[#packed + 1] = mine
          end
        end
      end
    end
    call('HSET', rows, put)
    call('HSET', gone, bury)
    call('HSET', members, packed)
    call('ZADD', order, enter)
    call('HDEL', rows, leave)
    call('HDEL', gone, unbury)
    call('ZREM', order, leave)
    if count > 0 then call('HDEL', members, leave) end
    for i = 1, count do
      call('ZREM', indexes[i], remove[i])
      call('ZADD', indexes[i], add[i])
    end
    left = left - size
  end
end

function steps.drop()
  redis.call('UNLINK', key())
end
function steps.rename()
  local from, to = key(), key()
  redis.call('UNLINK', to)
  if redis.call('EXISTS', from) == 1 then redis.call('RENAME', from, to) end
end

local function parked(events, position)
  local found = redis.call('HGET', events, position)
  if not found then return end
  local number, length = string.match(found, '^(%d+) (%d+) ')
  local start = #number + #length + 2
  return number, string.sub(found, start + 1, start + tonumber(length))
end
local function padded(position)
  return string.rep('0', 20 - #position) .. position
end
local function hold(again, position, time)
  if time == '' then redis.call('HDEL', again, position) else redis.call('HSET', again, position, time) end
end
function steps.park()
  local events, order, again, numbers, last = key(), key(), key(), key(), key()
  local position, k, text, time = arg(), arg(), arg(), arg()
  if redis.call('HEXISTS', events, position) == 0 then
    local number = string.format('%016d', redis.call('INCR', last))
    redis.call('HSET', events, position, number .. ' ' .. #k .. ' ' .. k .. text)
    redis.call('ZADD', order, 0, k .. number .. padded(position))
    redis.call('ZADD', numbers, number, position)
    hold(again, position, time)
  end
end
function steps.unpark()
  local events, order, again, numbers, position = key(), key(), key(), key(), arg()
  local number, k = parked(events, position)
  if number then
    redis.call('HDEL', events, position)
    redis.call('ZREM', order, k .. number .. padded(position))
    redis.call('ZREM', numbers, position)
    redis.call('HDEL', again, position)
  end
end
function steps.blame()
  local events, again = key(), key()
  local position, text, time = arg(), arg(), arg()
  local number, k = parked(events, position)
  if number then
    redis.call('HSET', events, position, number .. ' ' .. #k .. ' ' .. k .. text)
    hold(again, position, time)
  end
end
function steps.ask()
  local events, again, position, time = key(), key(), arg(), arg()
  if redis.call('HEXISTS', events, position) == 1 then hold(again, position, time) end
end

function steps.place()
  local partitions, number = key(), arg()
  redis.call('HSET', partitions, number, arg())
  redis.call('HSETNX', partitions, number .. ':lease', '0 0 - ')
end
function steps.divide()
  local partitions, lease, count = key(), arg() .. ' 0 - ', tonumber(arg())
  redis.call('DEL', partitions)
  for number = 0, count - 1 do
    redis.call('HSET', partitions, number, arg(), number .. ':lease', lease)
  end
end

if redis.call('EXISTS', KEYS[1]) == 1 then return {'done'} end
for number = 1, tonumber(arg()) do
  local kind = arg()
  local found = checks[kind]()
  if found then return {kind, number, found} end
end
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
while argument < #ARGV do steps[arg()]() end
return {'done'}
"""
)
"""The checks and steps read KEYS and ARGV one after another, in the order in which `Commit` wrote them."""
