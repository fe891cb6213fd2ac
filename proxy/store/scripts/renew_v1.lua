-- renew_v1: prolong the leases of holds whose requests still run.
--
-- KEYS  1 open      zset: hold id -> end of its lease, ms
-- ARGV  1 lease, ms   2 .. ids
-- RETURNS the ids that are not open (expired, settled, or lost with the data)
local time = redis.call('TIME')
local until_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[1]))
local gone = {}
for i = 2, #ARGV do
  if redis.call('ZSCORE', KEYS[1], ARGV[i]) then
    redis.call('ZADD', KEYS[1], until_ms, ARGV[i])
  else
    gone[#gone + 1] = ARGV[i]
  end
end
return gone
