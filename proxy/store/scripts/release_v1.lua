-- release_v1: give back a hold whose request was not sent. Unknown ids leave a tombstone: a hold that comes late is refused.
--
-- KEYS  1 open, 2 done, 3 hold (as in hold_v2), then the counters the hold may name
-- ARGV  1 id   2 seconds to keep the id
-- The counters are those the open hold names; a refund of requests per minute is not due, they were asked.
-- RETURNS 1 given back, 2 tombstone left, 0 over already
local id = ARGV[1]
if redis.call('HEXISTS', KEYS[2], id) == 1 then return 0 end
local record = redis.call('GET', KEYS[3])
redis.call('HSET', KEYS[2], id, 'r')
redis.call('EXPIRE', KEYS[2], ARGV[2])
if not record then return 2 end
redis.call('ZREM', KEYS[1], id)
redis.call('DEL', KEYS[3])
local amount, tokens, names = string.match(record, '^(%d+) (%d+)\n[^\n]*\n?(.*)$')
for key in string.gmatch(names, '[^\n]+') do
  local kind = string.match(key, '^[^:]*:(%a):')
  if kind == 'm' and amount ~= '0' then  -- '-0' is no number to Redis
    redis.call('HINCRBY', key, 'held', '-' .. amount)
  elseif kind == 'c' then
    redis.call('HINCRBY', key, 'held', -1)
  elseif kind == 't' and tokens ~= '0' then
    redis.call('HINCRBY', key, 'spent', '-' .. tokens)
  end
end
return 1
