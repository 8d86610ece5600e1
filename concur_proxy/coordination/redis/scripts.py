"""What must happen in Redis at once. Time is Redis' own; every key has one hash tag, so that a cluster keeps them
together.
"""

BEAT = """
-- keys: term, last term's number, live replicas by their last beat
-- arguments: replica, milliseconds of a lease, of a replica's life, nonce, whether it would lead
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
return {term or '', redis.call('ZRANGE', KEYS[3], 0, -1)}
"""
"""I live; who leads, and who lives as well? Whoever asks leads from now on, if nobody does and it would."""

RESIGN = """
-- keys: term, live replicas; arguments: replica, own term or nothing
redis.call('ZREM', KEYS[2], ARGV[1])
if redis.call('GET', KEYS[1]) == ARGV[2] then
    redis.call('DEL', KEYS[1])
end
"""
"""I go; somebody else may lead at once."""

KEEP = """
-- keys: term, sessions, standing; arguments: own term, standing, then session and record in turn, no record: it is over
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
"""Write down what the next leader must know; refused, with 0, to one whose term is over: the term fences it off."""

KEPT = """
-- keys: sessions; arguments: cursor, how many at once
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local records = {}
for i = 2, #page[2], 2 do
    records[#records + 1] = page[2][i]
end
return {page[1], #records, table.concat(records)}
"""
"""What has been written down, a page at a time, as one string: a client takes long to read a hundred thousand."""
