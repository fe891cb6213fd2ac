-- epoch_v1: read the epoch of this data, or begin one where there is none and none is missed.
--
-- KEYS  1 meta (as in hold_v2)
-- ARGV  1 the epoch to begin   2 '1' when an earlier epoch is known: then missing data is a loss, not a beginning
-- RETURNS {epoch ('' when there is none), seq, the epochs it continues, seq of the snapshot it was rebuilt from,
--          seq of the latest snapshot}
if ARGV[2] ~= '1' then redis.call('HSETNX', KEYS[1], 'epoch', ARGV[1]) end
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'previous', 'restored', 'snapshot')
return {meta[1] or '', tonumber(meta[2] or '0'), meta[3] or '', tonumber(meta[4] or '0'), tonumber(meta[5] or '0')}
