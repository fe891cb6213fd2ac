-- settle_v2: enter bills, each exactly once, and keep their ledger rows. One call settles many requests.
--
-- KEYS  1 meta, 2 open, 3 live (as in hold_v2)
--       4 tail        stream: ledger rows not yet rolled up, and the latest that are
--       5 unsettled   hash: hold id -> amount charged in full without a bill
--       then per bill: its hold, its done hash, its counters
-- ARGV  1 epoch   2 least seq the caller has seen   3 seconds to keep ids
--       then each bill as one word: id cost tokens n LINE FEED row
--         cost in nano-dollars, n its number of counters, row the ledger row (JSON)
-- A counter's kind and window end are in its name: ...:m:<what>:<start>:<end>.
-- RETURNS {'ok', seq, now ms, then per bill: 1 entered, 0 known already, 2 trued up after its lease had run out,
--          3 entered without a hold}
--         {'epoch', seq, now ms, epoch}   nothing was entered
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'clock')
local seq = tonumber(meta[2] or '0')
local clock = tonumber(meta[3] or '0')
if now < clock and clock - now < 3600000 then now = clock end
if meta[1] ~= ARGV[1] or seq < tonumber(ARGV[2]) then return {'epoch', seq, now, meta[1] or ''} end

local function add(key, field, amount)
  if amount ~= 0 then redis.call('HINCRBY', key, field, string.format('%.0f', amount)) end
end

-- A counter that a late bill creates anew must end like any other.
local function begin(key, kind)
  if redis.call('EXISTS', key) == 1 then return end
  local last = tonumber(string.match(key, ':(%d+)$'))
  redis.call('HSET', key, 'spent', '0')
  redis.call('PEXPIREAT', key, string.format('%.0f', math.max(last * 1000, now) + 172800000))
  if kind == 'm' then redis.call('ZADD', KEYS[3], string.format('%.0f', last), key) end
end

local reply, marked = {'ok', seq + 1, now}, {}
local k, a = 6, 4
while a <= #ARGV do
  local id, cost, tokens, n, row = string.match(ARGV[a], '^(%S+) (%d+) (%d+) (%d+)\n(.*)$')
  cost, tokens, n = tonumber(cost), tonumber(tokens), tonumber(n)
  local hold, done = KEYS[k], KEYS[k + 1]
  local state = redis.call('HGET', done, id)
  if state == 's' then
    reply[#reply + 1] = 0
  else
    local held, reserved, charged, estimate, result = 0, 0, 0, 0, 3
    if state then
      local amount, counted = string.match(state, '^e:(%d+):(%d+)$')
      if amount then charged, estimate, result = tonumber(amount), tonumber(counted), 2 end
    else
      local amount, counted = string.match(redis.call('GET', hold) or '', '^(%d+) (%d+)\n')
      if amount then held, reserved, estimate, result = tonumber(amount), 1, tonumber(counted), 1 end
    end
    for i = 1, n do
      local key = KEYS[k + 1 + i]
      local kind = string.match(key, '^[^:]*:(%a):')
      if result ~= 1 and kind ~= 'c' then begin(key, kind) end  -- the counters of an open hold are there
      if kind == 'm' then
        add(key, 'held', -held)
        add(key, 'spent', cost - charged)
        add(key, 'unset', -charged)
      elseif kind == 'c' then
        add(key, 'held', -reserved)
      elseif kind == 't' then
        add(key, 'spent', tokens - estimate)
      elseif result == 3 and not state then
        add(key, 'spent', 1)
      end
    end
    redis.call('DEL', hold)
    redis.call('ZREM', KEYS[2], id)
    if charged > 0 then redis.call('HDEL', KEYS[5], id) end
    redis.call('HSET', done, id, 's')
    if not marked[done] then
      redis.call('EXPIRE', done, ARGV[3])
      marked[done] = true
    end
    redis.call('XADD', KEYS[4], '*', 'row', row, 'counted', result == 2 and string.format('%.0f', charged) or '')
    reply[#reply + 1] = result
  end
  k, a = k + 2 + n, a + 1
end
redis.call('HSET', KEYS[1], 'seq', string.format('%.0f', seq + 1), 'clock', string.format('%.0f', now))
return reply
