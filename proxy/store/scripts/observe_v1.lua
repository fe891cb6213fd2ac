-- observe_v1: add what was measured of one share of a migration: sums over units kept exact, and counters.
--
-- KEYS  1 sums     hash: side, task, measure, name (\31 between them) -> sum over units, see below
--       2 units    hash: side, task, unit -> calls and sum of failed, slow, cost ('n y n y n y')
--       3 counts   hash: side, task, what -> count; side, last -> when it was last heard of, ms
--       4 shares   zset: version of the share -> when it was last measured, ms
-- ARGV  1 version   2 most units   3 calls a unit weighs as at most
--       4 seconds to keep sums   5 units   6 counts and shares
--       7 number of sides, then each
--       then the number of units, and for each: side and task (joined), unit, then n y n y n y (decimal)
--       then pairs of count and amount, to the end
-- A unit counts as (n, y) up to the most calls, beyond that as that many with its mean. Sums over units of that are n, y,
-- nn, ny, yy; `units` and `calls` count. Past the most units, units that are new are folded into 4096 by their first three
-- letters: still groups that were put on their side together, so the sums stay honest, only coarser.
-- RETURNS units known
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local most, weight = tonumber(ARGV[2]), tonumber(ARGV[3])
local measures = {'failed', 'slow', 'cost'}
local at = 8
for i = 1, tonumber(ARGV[7]) do
  redis.call('HSET', KEYS[3], ARGV[at] .. '\31last', string.format('%.0f', now))
  at = at + 1
end

local function weighed(n, y)
  if n <= weight then return n, y end
  return weight, y * weight / n
end

local sums, known = {}, redis.call('HLEN', KEYS[2])
local function add(field, amount)
  if amount ~= 0 then sums[field] = (sums[field] or 0) + amount end
end

local rows = tonumber(ARGV[at])
at = at + 1
for i = 1, rows do
  local place, unit = ARGV[at], ARGV[at + 1]
  local field = place .. '\31' .. unit
  local held = redis.call('HGET', KEYS[2], field)
  if not held and known >= most then
    field = place .. '\31*' .. string.sub(unit, 1, 3)
    held = redis.call('HGET', KEYS[2], field)
  end
  if not held then known = known + 1 end
  local before, after = {0, 0, 0, 0, 0, 0}, {}
  if held then
    local k = 1
    for number in string.gmatch(held, '%S+') do before[k] = tonumber(number); k = k + 1 end
  end
  for m = 1, 3 do
    local n, y = before[2 * m - 1], before[2 * m]
    local more_n, more_y = tonumber(ARGV[at + 2 * m]), tonumber(ARGV[at + 2 * m + 1])
    after[2 * m - 1], after[2 * m] = string.format('%.17g', n + more_n), string.format('%.17g', y + more_y)
    if more_n > 0 then
      local was_n, was_y = weighed(n, y)
      local now_n, now_y = weighed(n + more_n, y + more_y)
      local name = place .. '\31' .. measures[m] .. '\31'
      if n == 0 then add(name .. 'units', 1) end
      add(name .. 'calls', more_n)
      add(name .. 'n', now_n - was_n)
      add(name .. 'y', now_y - was_y)
      add(name .. 'nn', now_n * now_n - was_n * was_n)
      add(name .. 'ny', now_n * now_y - was_n * was_y)
      add(name .. 'yy', now_y * now_y - was_y * was_y)
    end
  end
  redis.call('HSET', KEYS[2], field, table.concat(after, ' '))
  at = at + 8
end
for field, amount in pairs(sums) do
  redis.call('HINCRBYFLOAT', KEYS[1], field, string.format('%.17g', amount))
end
for a = at, #ARGV, 2 do redis.call('HINCRBY', KEYS[3], ARGV[a], ARGV[a + 1]) end
redis.call('ZADD', KEYS[4], string.format('%.0f', now), ARGV[1])
for k, keep in ipairs({ARGV[4], ARGV[5], ARGV[6], ARGV[6]}) do redis.call('EXPIRE', KEYS[k], keep) end
return known
