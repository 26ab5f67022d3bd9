// This file has the scripts. Each has one key, or keys with the same hash tag.

package redismodel

import "github.com/redis/go-redis/v9"

// appendEntry stores an entry if its place is free, and else returns the one that
// is there. A log is a sorted set, so that a page of it can be read in order; the
// score is the place. The key stays until the last of its entries has expired. In
// a long log, each append looks at four entries and removes expired ones, which
// keeps these to about a quarter.
//
// Arguments: the place; the entry; when the key may go, or ""; the time before
// which an entry has expired.
var appendEntry = redis.NewScript(`
local there = redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[1], 'BYSCORE')[1]
if there then
	-- A write, so that WAIT is about what is there.
	redis.call('ZADD', KEYS[1], '-inf', '')
	redis.call('ZREM', KEYS[1], '')
	return there
end
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
local length = redis.call('ZCARD', KEYS[1])
if ARGV[3] == '' then
	redis.call('PERSIST', KEYS[1])
elseif length == 1 then
	redis.call('PEXPIREAT', KEYS[1], ARGV[3])
else
	redis.call('PEXPIREAT', KEYS[1], ARGV[3], 'GT')
end
if length > 64 then
	local past = tonumber(ARGV[4])
	for _, entry in ipairs(redis.call('ZRANDMEMBER', KEYS[1], 4)) do
		local likely = tonumber(string.match(entry, '"expires_at":(%d+)'))
		if likely and likely < past then
			local expires = cjson.decode(entry).expires_at
			if expires and expires < past then
				redis.call('ZREM', KEYS[1], entry)
			end
		end
	end
end
return false
`)

// index adds a member to an index and removes some that may go. The score of a
// member is the time after which it may go, in milliseconds since 1970. The key
// goes with its last member.
//
// Arguments: the member; when it may go, or "+inf"; now.
var index = redis.NewScript(`
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
local gone = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[3], 'BYSCORE', 'LIMIT', 0, 100)
if #gone > 0 then
	redis.call('ZREM', KEYS[1], unpack(gone))
end
local last = redis.call('ZRANGE', KEYS[1], 0, 0, 'REV', 'WITHSCORES')[2]
if last == 'inf' then
	redis.call('PERSIST', KEYS[1])
elseif last then
	redis.call('PEXPIREAT', KEYS[1], last)
end
return 1
`)

// erase replaces a record by "" and returns 1, or 0 if there is none. The "" stays
// for as long as the record would have: a copy of the insert that arrives late
// finds it. erase writes in any case, so that WAIT covers what was erased before.
//
// Argument: how long the "" stays in place of a record that does not expire, in
// milliseconds.
var erase = redis.NewScript(`
local there = redis.call('GET', KEYS[1])
if not there then
	redis.call('SET', KEYS[1], '')
	redis.call('DEL', KEYS[1])
	return 0
end
if redis.call('PTTL', KEYS[1]) == -1 then
	redis.call('SET', KEYS[1], '', 'PX', ARGV[1])
else
	redis.call('SET', KEYS[1], '', 'KEEPTTL')
end
return there == '' and 0 or 1
`)

// swap replaces the old record by the new one and returns 1, or 0 if a third one
// is there. "" stands for no record.
//
// Arguments: the old record; the new one, with options of SET.
var swap = redis.NewScript(`
local there = redis.call('GET', KEYS[1]) or ''
if there ~= ARGV[1] and there ~= ARGV[2] then -- else it was done, and the reply lost
	return 0
end
redis.call('SET', KEYS[1], unpack(ARGV, 2))
return 1
`)

// swapUser replaces the record and the name of a user and returns 1. It returns 0
// if a third record is there, and -1 if somebody else has the new name. A record
// and a name that are "" stand for no user. A deletion leaves its mark for a while.
// An addition names the mark that it has seen, so a copy of an earlier one that
// arrives late does nothing.
//
// Keys: the records by ID; the IDs by name; the IDs in order; if a user is added
// or deleted, the mark.
// Arguments: the ID; the old record and name; the new ones; the mark; for how many
// milliseconds it stays.
var swapUser = redis.NewScript(`
local id, old, oldName, new, newName = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local there = redis.call('HGET', KEYS[1], id) or ''
if there ~= old and there ~= new then -- else it was done, and the reply lost
	return 0
end
if old == '' then
	local mark = redis.call('GET', KEYS[4])
	if mark and mark ~= ARGV[6] then
		return 0
	end
end
if newName ~= '' then
	local owner = redis.call('HGET', KEYS[2], newName)
	if owner and owner ~= id then
		return -1
	end
end
if oldName ~= '' and oldName ~= newName and redis.call('HGET', KEYS[2], oldName) == id then
	redis.call('HDEL', KEYS[2], oldName)
end
if new == '' then
	redis.call('HDEL', KEYS[1], id)
	redis.call('ZREM', KEYS[3], id)
	redis.call('SET', KEYS[4], ARGV[6], 'PX', ARGV[7])
else
	redis.call('HSET', KEYS[1], id, new)
	redis.call('HSET', KEYS[2], newName, id)
	redis.call('ZADD', KEYS[3], 0, id)
end
return 1
`)
