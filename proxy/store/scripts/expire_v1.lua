-- expire_v1: charge one hold whose lease has run out in full; the process that took it is gone or cannot be heard.
--
-- KEYS  1 open, 2 done, 3 hold (as in hold_v2), 4 unsettled, 5 tail (as in settle_v2), then the counters the hold names
-- ARGV  1 id   2 seconds to keep the id   3 row (JSON) to enter, its cost being the hold's amount
-- Unsettled money is shown as such until a bill arrives for the id, or an operator settles it.
-- A hold that is open and over at once is what release_v1 left when it still stopped at an amount of 0: its place was given
-- back, its money may not have been.
-- RETURNS nano-dollars charged, or -1: not open, over already, or renewed in the meantime
local id = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = redis.call('ZSCORE', KEYS[1], id)
if not lease or tonumber(lease) > now then return -1 end
redis.call('ZREM', KEYS[1], id)
local record = redis.call('GET', KEYS[3])
if not record then return -1 end
redis.call('DEL', KEYS[3])
local over = redis.call('HEXISTS', KEYS[2], id) == 1
local amount, tokens, label, names = string.match(record, '^(%d+) (%d+)\n([^\n]*)\n?(.*)$')
for key in string.gmatch(names, '[^\n]+') do
  local kind = string.match(key, '^[^:]*:(%a):')
  if kind == 'm' and amount ~= '0' then  -- '-0' is no number to Redis
    redis.call('HINCRBY', key, 'held', '-' .. amount)
    if not over then
      redis.call('HINCRBY', key, 'spent', amount)
      redis.call('HINCRBY', key, 'unset', amount)
    end
  elseif kind == 'c' and not over then
    redis.call('HINCRBY', key, 'held', -1)
  end
end
if over then return -1 end
redis.call('HSET', KEYS[2], id, 'e:' .. amount .. ':' .. tokens)
redis.call('EXPIRE', KEYS[2], ARGV[2])
if amount ~= '0' then
  redis.call('HSET', KEYS[4], id, amount .. ' ' .. string.format('%.0f', now) .. '\n' .. label .. '\n' .. names)
end
redis.call('XADD', KEYS[5], '*', 'row', ARGV[3], 'counted', '')
return tonumber(amount)
