-- hold_v2: set money aside in every counter of one request, or in none; count its rates in the same step.
--
-- KEYS  1 meta        hash: epoch, seq (writes so far), clock (latest time seen, ms)
--       2 open        zset: hold id -> end of its lease, ms
--       3 hold        string: the open hold (see below)
--       4 done        hash: ids that are over -> how they ended (kept >= 48 h)
--       5 live        zset: money counter -> end of its window, s
--       6 users       set: users of this key seen today
--       7 ..          n counters, then for each counter of kind u its shared bucket
-- ARGV  1 the hold in one line and a label, as one word is sooner written and read than eleven:
--         id epoch seq lease want smallest reasoning tokens users user LINE FEED label
--         seq the least the caller has seen, lease in ms, want, smallest and reasoning (the allowance) in nano-dollars,
--         users the most new ones a day, user may be empty, label is opaque text for the reaper
--       2 n           3 .. per counter: kind (m u r t c), limit, window start, window end (s)
-- Counters are hashes: spent, held, extra (raised by an operator), credit (forgiven by an operator), unset (charged
-- without a bill). Kinds: m money, u money of one user, r requests, t tokens, c requests under way.
-- A request of more tokens than a window has may have the window to itself: its estimate may be too high.
-- Numbers arrive as decimal strings and leave as integers; all are below 2^53. Windows are compared with Redis' clock.
-- RETURNS {'ok', seq, now ms, granted nano, shared bucket used 0|1, then spent, held, limit per counter}
--         {'no', seq, now ms, index from 1, 'final'|'wait', spent, held, limit}     nothing was changed
--         {'window', seq, now ms}    a window does not contain Redis' now: send other bounds
--         {'done', seq, now ms, state}    this id is over (or was released before it came)
--         {'epoch', seq, now ms, epoch}   the data is not what the caller knows: counters cannot be trusted
local id, epoch, least, lease, want, smallest, reasoning, tokens, users, user, label = string.match(
  ARGV[1], '^(%S+) (%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%S*)\n(.*)$')
want, smallest, reasoning = tonumber(want), tonumber(smallest), tonumber(reasoning)
tokens = tonumber(tokens)
local n = tonumber(ARGV[2])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'clock')
local seq = tonumber(meta[2] or '0')
local clock = tonumber(meta[3] or '0')
-- A clock set back a little must not reopen a window; set back by hours it is a correction.
if now < clock and clock - now < 3600000 then now = clock end
if meta[1] ~= epoch or seq < tonumber(least) then return {'epoch', seq, now, meta[1] or ''} end

local state = redis.call('HGET', KEYS[4], id)
if state then return {'done', seq, now, state} end
local record = redis.call('GET', KEYS[3])
if record then
  local amount = string.match(record, '^(%d+) ')
  return {'ok', seq, now, tonumber(amount), 0}
end

local counters, kinds, limits, ends, spents, helds, fresh = {}, {}, {}, {}, {}, {}, {}
local shared, alternate, new_user = 0, 6 + n, false
local room = math.huge
local waiting
for i = 1, n do
  local at = 3 + (i - 1) * 4
  local key, kind, limit = KEYS[6 + i], ARGV[at], tonumber(ARGV[at + 1])
  local first, last = tonumber(ARGV[at + 2]) * 1000, tonumber(ARGV[at + 3]) * 1000
  if now < first or now >= last then return {'window', seq, now} end
  if kind == 'u' then
    alternate = alternate + 1
    if redis.call('SISMEMBER', KEYS[6], user) == 0 then
      if redis.call('SCARD', KEYS[6]) >= tonumber(users) then
        key, shared = KEYS[alternate], 1
      else
        new_user = true
      end
    end
    kind = 'm'
  end
  local count = redis.call('HMGET', key, 'spent', 'held', 'extra', 'credit')
  local spent = tonumber(count[1] or '0') - tonumber(count[4] or '0')
  local held = tonumber(count[2] or '0')
  limit = limit + tonumber(count[3] or '0')
  if kind == 'm' then
    if smallest > limit - spent then return {'no', seq, now, i, 'final', spent, held, limit} end
    room = math.min(room, limit - spent - held)
    if smallest > limit - spent - held and not waiting then waiting = {i, spent, held, limit} end
  elseif kind == 'r' and spent + 1 > limit or kind == 't' and spent + tokens > math.max(limit, tokens)
      or kind == 'c' and held + 1 > limit then
    waiting = waiting or {i, spent, held, limit}
  end
  counters[i], kinds[i], limits[i], ends[i] = key, kind, limit, last
  spents[i], helds[i], fresh[i] = spent, held, not count[1] and not count[2]
end
if waiting then return {'no', seq, now, waiting[1], 'wait', waiting[2], waiting[3], waiting[4]} end

local granted = want
if want > smallest and room < math.huge then
  local fair = math.max(math.floor(room / 4), smallest)
  if reasoning <= room then fair = math.max(fair, reasoning) end
  granted = math.min(want, fair)
end

local amount = string.format('%.0f', granted)
local reply = {'ok', seq + 1, now, granted, shared}
for i = 1, n do
  local key, kind = counters[i], kinds[i]
  if kind == 'm' then
    redis.call('HINCRBY', key, 'held', amount)
    helds[i] = helds[i] + granted
    if fresh[i] then redis.call('ZADD', KEYS[5], string.format('%.0f', ends[i] / 1000), key) end
  elseif kind == 'c' then
    redis.call('HINCRBY', key, 'held', 1)
    helds[i] = helds[i] + 1
    redis.call('EXPIRE', key, 172800)
  else
    local more = kind == 'r' and 1 or tokens
    redis.call('HINCRBY', key, 'spent', string.format('%.0f', more))
    spents[i] = spents[i] + more
  end
  if fresh[i] and kind ~= 'c' then redis.call('PEXPIREAT', key, string.format('%.0f', ends[i] + 172800000)) end
  reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = spents[i], helds[i], limits[i]
end
if new_user then
  redis.call('SADD', KEYS[6], user)
  redis.call('EXPIRE', KEYS[6], 172800)
end
-- amount tokens \n label \n counter \n counter ...
redis.call('SET', KEYS[3], amount .. ' ' .. string.format('%.0f', tokens) .. '\n' .. label .. '\n' .. table.concat(counters, '\n'))
redis.call('ZADD', KEYS[2], string.format('%.0f', now + tonumber(lease)), id)
redis.call('HSET', KEYS[1], 'seq', string.format('%.0f', seq + 1), 'clock', string.format('%.0f', now))
return reply
