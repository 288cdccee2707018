"""The Lua scripts of the streams. The keys of a script share a hash tag, one for each stream.

A lease is a hash with its `owner` and the number of `reads` of the owner. redis-py may repeat a read whose reply was lost.
The repeated read has an old number and is refused; the entries of the first read are pending.
"""

from __future__ import annotations

from typing import Final

from .._server.lua import RUN
from .._server.server import Script

CONFIRMED, UNROUTABLE, UNSENT, BEHIND = range(4)

_FIELDS: Final = """
-- Any client may add any entry. An entry without a topic or a body is delivered to every consumer, which parks it.
local function fields_of(entry)
  local found = {}
  for i = 1, #entry[2], 2 do found[entry[2][i]] = entry[2][i + 1] end
  return found
end
local function is_for(fields, group, wanted)
  if fields['f'] then return fields['f'] == group end
  return not fields['t'] or not fields['b'] or wanted[fields['t']] == true
end
"""
"""Reads the fields of an entry: `i` the id, `t` the topic, `k` the key, `b` the body, `f` the only group it is for."""

PUBLISH: Final = Script(
    """-- keys: stream, topics, marks; arguments: topic of the mark, number of messages, then id, topic, key and body of each
-- The arguments are repeated for messages with another mark.
-- A message for all partitions is a mark: the stream has everything that its publisher published before. In another run of
-- the server, messages after the last mark may be lost. They are published again before any other.
local run
local function current()
  if not run then
    """
    + RUN.replace("local run =", "run =")
    + """
  end
  return run .. ' '
end
local function behind(topic)
  local mark = topic ~= '' and redis.call('HGET', KEYS[3], topic)
  return mark and string.sub(mark, 1, #current()) ~= current()
end
local routed = {}
local function has_receiver(topic)
  if routed[topic] == nil then routed[topic] = redis.call('HEXISTS', KEYS[2], topic) == 1 end
  return routed[topic]
end
local outcomes, blocked, i = {}, {}, 1
while i <= #ARGV do
  local lost, count = behind(ARGV[i]), tonumber(ARGV[i + 1])
  for message = i + 2, i + 4 * count, 4 do
    local topic, key = ARGV[message + 1], ARGV[message + 2]
    if blocked[key] then
      outcomes[#outcomes + 1] = 2
    elseif not has_receiver(topic) then
      blocked[key] = true
      outcomes[#outcomes + 1] = 1
    elseif lost then
      blocked[key] = true
      outcomes[#outcomes + 1] = 3
    else
      redis.call('XADD', KEYS[1], '*', 'i', ARGV[message], 't', topic, 'k', key, 'b', ARGV[message + 3])
      if key == '' then redis.call('HSET', KEYS[3], topic, current() .. ARGV[message + 3]) end
      outcomes[#outcomes + 1] = 0
    end
  end
  i = i + 2 + 4 * count
end
return outcomes
"""
)

MARK: Final = Script("""-- keys: marks; arguments: topic
local mark = redis.call('HGET', KEYS[1], ARGV[1])
return mark and string.match(mark, '^%S+ (.*)$')
""")

TRUST: Final = Script(
    RUN
    + """-- keys: marks; arguments: topic
local mark = redis.call('HGET', KEYS[1], ARGV[1])
if mark then redis.call('HSET', KEYS[1], ARGV[1], run .. ' ' .. string.match(mark, '^%S+ (.*)$')) end
"""
)

KEPT, NEW, LOST = range(3)

DECLARE: Final = Script("""-- keys: stream, feeds, topics; arguments: consumer, topics, start, keep old topics, known
local had, seen, wanted = redis.call('HGET', KEYS[2], ARGV[1]), {}, {}
local asked = ARGV[2]
if had and ARGV[4] == '1' then asked = had .. ' ' .. asked end
for topic in string.gmatch(asked, '%S+') do
  if not seen[topic] then seen[topic] = true; wanted[#wanted + 1] = topic end
end
redis.call('HSET', KEYS[2], ARGV[1], table.concat(wanted, ' '))
redis.call('DEL', KEYS[3])
for _, topics in ipairs(redis.call('HVALS', KEYS[2])) do
  for topic in string.gmatch(topics, '%S+') do redis.call('HSET', KEYS[3], topic, 1) end
end
local known = had or ARGV[5] == '1'
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], known and '0' or ARGV[3], 'MKSTREAM')
if not made.err then return known and 2 or 1 end
if string.find(made.err, 'BUSYGROUP') then return 0 end
return made
""")

FORGET: Final = Script("""-- keys: stream, feeds, topics, lease, parked; arguments: consumer
local had = redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[3], KEYS[4], KEYS[5])
local left = redis.call('HVALS', KEYS[2])
for _, topics in ipairs(left) do
  for topic in string.gmatch(topics, '%S+') do redis.call('HSET', KEYS[3], topic, 1) end
end
if had == 1 and #left == 0 then
  redis.call('UNLINK', KEYS[1])
elseif redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('XGROUP', 'DESTROY', KEYS[1], ARGV[1])
end
return had
""")

CLAIM: Final = Script("""-- keys: lease; arguments: token, milliseconds
local owner = redis.call('HGET', KEYS[1], 'owner')
if owner and owner ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'reads', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
""")

RENEW: Final = Script("""-- keys: lease; arguments: token, milliseconds
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
""")

RELEASE: Final = Script("""-- keys: lease; arguments: token
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
""")

NOT_HELD, REPEATED, PENDING_FOUND, READ_DONE = range(4)
"""The first value of the answer to a read."""

PENDING: Final = Script("""-- keys: lease, stream; arguments: token, number of the read, group, first id, count
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return {0} end
redis.call('HSET', KEYS[1], 'reads', ARGV[2])
local found = {}
for _, each in ipairs(redis.call('XPENDING', KEYS[2], ARGV[3], ARGV[4], '+', ARGV[5])) do
  found[#found + 1] = each[1]
end
return {2, found}
""")

READ: Final = Script(
    _FIELDS
    + """-- keys: lease, stream, feeds; arguments: token, number of the read, group, count, bytes, ids again
-- Returns entries, ids that no longer exist, the last new id that was seen, and whether there may be more entries.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return {0} end
if tonumber(redis.call('HGET', KEYS[1], 'reads')) ~= tonumber(ARGV[2]) - 1 then return {1} end
redis.call('HSET', KEYS[1], 'reads', ARGV[2])
local group, left, room, found = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), {}
local function add(entry)
  local fields = fields_of(entry)
  local body = fields['b'] or ''
  found[#found + 1] = {entry[1], fields['i'] or entry[1], fields['t'] or '', fields['k'] or '', body}
  room = room - #body
end
if #ARGV > 5 then
  local missing = {}
  for i = 6, #ARGV do
    if room <= 0 then break end
    local entry = redis.call('XCLAIM', KEYS[2], group, 'holder', 0, ARGV[i])[1]
    if entry and entry[2] then
      add(entry)
    else  -- Redis 6 leaves it pending
      redis.call('XACK', KEYS[2], group, ARGV[i])
      missing[#missing + 1] = ARGV[i]
    end
  end
  return {3, found, missing, '', 1}
end
local topics = redis.call('HGET', KEYS[3], group)
if not topics then return redis.error_reply('NOGROUP the consumer is not declared') end
local wanted = {}
for topic in string.gmatch(topics, '%S+') do wanted[topic] = true end
-- The size of an entry is known only when it is read: read one entry, then two, then four.
local last, step = nil, 1
while left > 0 and room > 0 do
  local streams = redis.call(
    'XREADGROUP', 'GROUP', group, 'holder', 'COUNT', math.min(left, step), 'STREAMS', KEYS[2], '>'
  )
  if not streams then break end
  for _, entry in ipairs(streams[1][2]) do
    if is_for(fields_of(entry), group, wanted) then
      add(entry)
    else
      redis.call('XACK', KEYS[2], group, entry[1])
    end
    last, left = entry[1], left - 1
  end
  step = math.min(2 * step, 16)
end
if last then return {3, found, {}, last, 1} end
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
return {3, found, {}, newest[1] and newest[1][1] or '0-0', 0}
"""
)

ACCEPT: Final = Script("""-- keys: lease, stream; arguments: token, group, ids
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return -1 end
return redis.call('XACK', KEYS[2], ARGV[2], unpack(ARGV, 3))
""")

PARK: Final = Script("""-- keys: lease, stream, parked; arguments: token, group, entry, id, topic, key, body, reason
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return -1 end
if redis.call('XACK', KEYS[2], ARGV[2], ARGV[3]) == 1 then
  -- ids with microseconds: several streams are listed in one order
  local now = redis.call('TIME')
  local id = string.format('%s%03d-%d', now[1], math.floor(now[2] / 1000), now[2] % 1000)
  local fields = {'i', ARGV[4], 't', ARGV[5], 'k', ARGV[6], 'b', ARGV[7], 'r', ARGV[8]}
  if redis.pcall('XADD', KEYS[3], id, unpack(fields)).err then
    redis.call('XADD', KEYS[3], '*', unpack(fields)) -- the clock went back
  end
end
return 1
""")

PARKED: Final = Script("""-- keys: parked; arguments: the entry to continue after, count, bytes
local found, room = {}, tonumber(ARGV[3])
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])) do
  local fields = entry[2]
  found[#found + 1] = {entry[1], fields[2], fields[4], fields[6], fields[8], fields[10]}
  room = room - #fields[8]
  if room <= 0 then break end
end
return found
""")

PARKED_IDS: Final = Script("""-- keys: parked; arguments: the entry to continue after, count
local found = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])) do
  found[#found + 1] = {entry[1], entry[2][2]}
end
return found
""")

UNPARK: Final = Script("""-- keys: stream, parked; arguments: consumer, again, entries
local gone = 0
for i = 3, #ARGV do
  local entry = redis.call('XRANGE', KEYS[2], ARGV[i], ARGV[i])[1]
  if entry then
    local kept = entry[2]
    if ARGV[2] == '1' then
      redis.call(
        'XADD', KEYS[1], '*', 'i', kept[2], 't', kept[4], 'k', kept[6], 'b', kept[8], 'f', ARGV[1]
      )
    end
    gone = gone + redis.call('XDEL', KEYS[2], ARGV[i])
  end
end
return gone
""")

WAITING: Final = Script(
    _FIELDS
    + """-- keys: stream, feeds; arguments: group, last counted id or nothing, count
local number, after = 0, ARGV[2]
if after == '' then
  local groups, found = redis.pcall('XINFO', 'GROUPS', KEYS[1]), false
  if groups.err then return {0, ''} end
  for _, group in ipairs(groups) do
    local of = {}
    for i = 1, #group, 2 do of[group[i]] = group[i + 1] end
    if of['name'] == ARGV[1] then found, number, after = true, of['pending'], of['last-delivered-id'] end
  end
  if not found then return {0, ''} end
end
local wanted = {}
for topic in string.gmatch(redis.call('HGET', KEYS[2], ARGV[1]) or '', '%S+') do wanted[topic] = true end
local entries = redis.call('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', ARGV[3])
for _, entry in ipairs(entries) do
  if is_for(fields_of(entry), ARGV[1], wanted) then number = number + 1 end
end
return {number, #entries == tonumber(ARGV[3]) and entries[#entries][1] or ''}
"""
)

TRIM: Final = Script("""-- keys: stream, feeds; deletes the entries before the first one that a group still needs
local groups, there = redis.pcall('XINFO', 'GROUPS', KEYS[1]), {}
if groups.err or #groups == 0 then return 0 end
local low, low_time, low_number
for _, group in ipairs(groups) do
  local of = {}
  for i = 1, #group, 2 do of[group[i]] = group[i + 1] end
  there[of['name']] = true
  local first = of['last-delivered-id']
  if of['pending'] > 0 then first = redis.call('XPENDING', KEYS[1], of['name'])[2] end
  local time, number = string.match(first, '(%d+)-(%d+)')
  time, number = tonumber(time), tonumber(number)
  if not low or time < low_time or (time == low_time and number < low_number) then
    low, low_time, low_number = first, time, number
  end
end
for _, consumer in ipairs(redis.call('HKEYS', KEYS[2])) do
  if not there[consumer] then return 0 end
end
return redis.call('XTRIM', KEYS[1], 'MINID', '~', low)
""")

ATTEND: Final = Script("""-- keys: members; arguments: member or nothing, milliseconds; returns the number of members
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if ARGV[1] ~= '' then redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1]) end
return redis.call('ZCARD', KEYS[1])
""")
