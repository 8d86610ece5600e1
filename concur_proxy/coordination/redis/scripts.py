"""Lua scripts for what must be atomic in Redis. They use Redis' own clock. All keys have the same hash tag, so that a
cluster keeps them on one node.
"""

BEAT = """
-- keys: term, number of the last term, live replicas with the time of their last beat
-- arguments: replica, milliseconds of a lease, milliseconds of a replica's life, nonce, whether it wants to lead,
-- milliseconds within which the beat of a running replica comes
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[3], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - ARGV[3])
local term = redis.call('GET', KEYS[1])
if term and string.sub(term, -#ARGV[1]) == ARGV[1] then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
elseif not term and ARGV[5] == '1' then
    term = redis.call('INCR', KEYS[2]) .. ':' .. ARGV[4] .. ':' .. ARGV[1]
    redis.call('SET', KEYS[1], term, 'PX', ARGV[2])
end
local just_heard = redis.call('ZRANGEBYSCORE', KEYS[3], now - ARGV[6], '+inf')
return {term or '', redis.call('ZRANGE', KEYS[3], 0, -1), just_heard}
"""
"""Report that a gateway is alive, and return who leads, which gateways are alive, and which of them beat just
now. If nobody leads and the caller wants to, it leads from now on.
"""

RESIGN = """
-- keys: term, live replicas; arguments: replica, its own term or nothing, whether it has ended
if ARGV[3] == '1' then
    redis.call('ZREM', KEYS[2], ARGV[1])
end
if redis.call('GET', KEYS[1]) == ARGV[2] then
    redis.call('DEL', KEYS[1])
end
"""
"""Report that a gateway stops leading, or has ended. Another one can lead at once."""

KEEP = """
-- keys: term, sessions, standing; arguments: own term, standing, then pairs of session and record (empty: over)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
redis.call('SET', KEYS[3], ARGV[2])
for i = 3, #ARGV, 2 do
    if ARGV[i + 1] == '' then
        redis.call('HDEL', KEYS[2], ARGV[i])
    else
        redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
    end
end
return 1
"""
"""Save the state for the next leader. Returns 0 and saves nothing if the caller's term is over."""

KEPT = """
-- keys: sessions; arguments: cursor, page size
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local records = {}
for i = 2, #page[2], 2 do
    records[#records + 1] = page[2][i]
end
return {page[1], #records, table.concat(records)}
"""
"""Read the saved state, one page at a time and as one string, because a client takes long to read many strings."""
