-- restore_v1: rebuild counters after a loss and begin a new epoch, which continues the lost and the replaced one.
-- Never lowers a counter.
--
-- KEYS  1 meta, 2 live (as in hold_v2), then counters
-- ARGV  1 new epoch   2 the epoch that was lost   3 seq of the snapshot   4 the epoch to replace, '' for none
--       then per counter: spent, unset, extra, credit, window end (s)
-- RETURNS 1 done, 0 the data has another epoch than ARGV 4: somebody was faster
local epoch = redis.call('HGET', KEYS[1], 'epoch') or ''
if epoch ~= ARGV[4] then return 0 end
local now = tonumber(redis.call('TIME')[1])
for k = 3, #KEYS do
  local at = 5 + (k - 3) * 5
  local names = {'spent', 'unset', 'extra', 'credit'}
  for i = 1, 4 do
    local value = tonumber(ARGV[at + i - 1])
    if value > tonumber(redis.call('HGET', KEYS[k], names[i]) or '0') then
      redis.call('HSET', KEYS[k], names[i], string.format('%.0f', value))
    end
  end
  local last = tonumber(ARGV[at + 4])
  redis.call('PEXPIREAT', KEYS[k], string.format('%.0f', (math.max(last, now) + 172800) * 1000))
  redis.call('ZADD', KEYS[2], ARGV[at + 4], KEYS[k])
end
local seq = tonumber(redis.call('HGET', KEYS[1], 'seq') or '0')
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'previous', ARGV[2] .. ' ' .. ARGV[4], 'restored', ARGV[3],
  'seq', string.format('%.0f', math.max(seq, tonumber(ARGV[3])) + 1))
return 1
