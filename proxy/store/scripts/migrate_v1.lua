-- migrate_v1: replace a migration's state by a later one, with the audit line of what made it, or not at all.
--
-- KEYS  1 migrations   hash: name -> version, line feed, state (JSON)
--       2 version      string: counts changes of what workers poll for
--       3 audit        list of lines (JSON), newest first
-- ARGV  1 name   2 version of the new state   3 what the hash is to hold of it
--       4 version the new state follows, '' for whatever is older: a copy given back to a store that has lost it
--       5 audit line   6 audit lines to keep
-- RETURNS 1 done, 0 the state is another one meanwhile; versions only rise
local held = redis.call('HGET', KEYS[1], ARGV[1])
local version = tonumber(held and string.match(held, '^(%d+)\n') or '0')
if tonumber(ARGV[2]) <= version then return 0 end
if ARGV[4] ~= '' and tonumber(ARGV[4]) ~= version then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('INCR', KEYS[2])
redis.call('LPUSH', KEYS[3], ARGV[5])
redis.call('LTRIM', KEYS[3], 0, tonumber(ARGV[6]) - 1)
return 1
