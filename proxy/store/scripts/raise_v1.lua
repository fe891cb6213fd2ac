-- raise_v1: add to one counter's limit for its window, or not at all if the sum could not be counted exactly any more.
--
-- KEYS  1 counter, 2 live (as in hold_v2)
-- ARGV  1 nano-dollars to add   2 its limit without what was added before   3 the most its limit may be
--       4 window end (s)   5 the counter's end (s)
-- RETURNS 1 added, 0 too much: nothing was changed
local extra = tonumber(redis.call('HGET', KEYS[1], 'extra') or '0')
if tonumber(ARGV[2]) + extra + tonumber(ARGV[1]) > tonumber(ARGV[3]) then return 0 end
redis.call('HINCRBY', KEYS[1], 'extra', ARGV[1])
redis.call('EXPIREAT', KEYS[1], ARGV[5])
redis.call('ZADD', KEYS[2], ARGV[4], KEYS[1])
return 1
