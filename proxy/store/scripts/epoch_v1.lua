-- epoch_v1: read the epoch of this data, or begin one where there is none and none is missed.
--
-- KEYS  1 meta (as in hold_v1)
-- ARGV  1 the epoch to begin   2 '1' when an earlier epoch is known: then missing data is a loss, not a beginning
-- RETURNS {epoch ('' when lost), seq, now ms, the epoch it was rebuilt from or '', seq of the snapshot it was rebuilt from}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[2] ~= '1' then redis.call('HSETNX', KEYS[1], 'epoch', ARGV[1]) end
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'previous', 'from')
return {meta[1] or '', tonumber(meta[2] or '0'), now, meta[3] or '', tonumber(meta[4] or '0')}
