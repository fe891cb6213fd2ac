-- rollup_v1: move a stretch of the tail into the hourly rollups, once, and only then let the tail be trimmed.
--
-- KEYS  1 rolled   string: the last stream id that is in the rollups
--       2 tail     stream of ledger rows
--       3 ..       rollups, one hash an hour: field -> count
-- ARGV  1 the id the caller started after   2 the last id it summed up   3 rows to keep for looking at
--       4 seconds to keep an hour's rollup
--       5 .. index of the rollup from 1, field, amount
-- RETURNS 1 done, 0 somebody else has rolled this stretch up already
local rolled = redis.call('GET', KEYS[1]) or '0-0'
if rolled ~= ARGV[1] then return 0 end
for a = 5, #ARGV, 3 do
  redis.call('HINCRBY', KEYS[2 + tonumber(ARGV[a])], ARGV[a + 1], ARGV[a + 2])
end
for k = 3, #KEYS do redis.call('EXPIRE', KEYS[k], ARGV[4]) end
redis.call('SET', KEYS[1], ARGV[2])
-- Only what is rolled up may go, however many rows there are after it.
local surplus = redis.call('XLEN', KEYS[2]) - tonumber(ARGV[3])
if surplus > 0 then
  local oldest = redis.call('XRANGE', KEYS[2], '-', ARGV[2], 'COUNT', math.min(surplus, 5000))
  if #oldest > 0 then
    local ids = {}
    for i = 1, #oldest do ids[i] = oldest[i][1] end
    redis.call('XDEL', KEYS[2], unpack(ids))
  end
end
return 1
