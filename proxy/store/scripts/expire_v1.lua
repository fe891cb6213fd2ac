-- expire_v1: charge one hold whose lease has run out in full; the process that took it is gone or cannot be heard.
--
-- KEYS  1 open, 2 done, 3 hold (as in hold_v2), 4 unsettled, 5 tail (as in settle_v2), then the counters the hold names
-- ARGV  1 id   2 seconds to keep the id   3 row (JSON) to enter, its cost being the hold's amount
-- Unsettled money is shown as such until a bill arrives for the id, or an operator settles it.
-- RETURNS nano-dollars charged, or -1: not open, or renewed in the meantime
local id = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = redis.call('ZSCORE', KEYS[1], id)
if not lease or tonumber(lease) > now then return -1 end
redis.call('ZREM', KEYS[1], id)
local record = redis.call('GET', KEYS[3])
if not record then return -1 end
local amount, tokens, label, names = string.match(record, '^(%d+) (%d+)\n([^\n]*)\n?(.*)$')
for key in string.gmatch(names, '[^\n]+') do
  local kind = string.match(key, '^[^:]*:(%a):')
  if kind == 'm' then
    redis.call('HINCRBY', key, 'held', '-' .. amount)
    redis.call('HINCRBY', key, 'spent', amount)
    redis.call('HINCRBY', key, 'unset', amount)
  elseif kind == 'c' then
    redis.call('HINCRBY', key, 'held', -1)
  end
end
redis.call('DEL', KEYS[3])
redis.call('HSET', KEYS[2], id, 'e:' .. amount .. ':' .. tokens)
redis.call('EXPIRE', KEYS[2], ARGV[2])
redis.call('HSET', KEYS[4], id, amount .. ' ' .. string.format('%.0f', now) .. '\n' .. label .. '\n' .. names)
redis.call('XADD', KEYS[5], '*', 'row', ARGV[3], 'counted', '')
return tonumber(amount)
