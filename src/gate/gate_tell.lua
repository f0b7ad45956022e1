-- gate_tell.lua - what the lanes tell the gate. gate_redis.c says what the keys hold.
--
-- KEYS: for each group its entry and the set of its seen orders.
-- ARGV: limit_ms, keep_ms; then for each group 'l' or 'g', the number of orders to mark as seen and
--       their hashes, the number of orders to close and their hashes, the number of stocks, and for
--       each stock: available, version, orders_after (the orders of all moves after this version were
--       told; 0: of all there are), then of a lot its number, and of goods the lot's key, flavor, size
--       and '1' if all lots of the sku are told here.
local SENTINEL = '!'
local CHUNK, FIELDS_MAX = 500, 4096

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit_ms, keep_ms = tonumber(ARGV[1]), ARGV[2]
local width = math.max(1, math.floor(limit_ms / 5))
local firm_from = math.floor(now / width) - 5
local at = 3

local function take_list()
    local list, count = {}, tonumber(ARGV[at])
    for i = 1, count do list[i] = ARGV[at + i] end
    at = at + count + 1
    return list
end

local function mark(seen_key, hashes)
    for i = 1, #hashes, CHUNK do
        redis.call('SADD', seen_key, unpack(hashes, i, math.min(#hashes, i + CHUNK - 1)))
    end
    if #hashes > 0 then redis.call('PEXPIRE', seen_key, keep_ms) end
end

-- Spans of time that have open units, newest first: an order is settled soon.
local function open_spans(entry)
    local spans = {}
    for _, name in ipairs(redis.call('HKEYS', entry)) do
        if string.byte(name) == 79 then spans[#spans + 1] = tonumber(string.sub(name, 2)) end
    end
    table.sort(spans, function(a, b) return a > b end)
    return spans
end

local function close_in(entry, open_key, span, hashes)
    local found, left, units = {}, {}, 0
    for i = 1, #hashes, CHUNK do
        local part = { unpack(hashes, i, math.min(#hashes, i + CHUNK - 1)) }
        local quantities = redis.call('HMGET', open_key, unpack(part))
        for j = 1, #part do
            if quantities[j] then
                units = units + tonumber(quantities[j])
                found[#found + 1] = part[j]
            else
                left[#left + 1] = part[j]
            end
        end
    end
    for i = 1, #found, CHUNK do
        redis.call('HDEL', open_key, unpack(found, i, math.min(#found, i + CHUNK - 1)))
    end
    if units > 0 and redis.call('HINCRBY', entry, 'O' .. span, -units) <= 0 then
        redis.call('HDEL', entry, 'O' .. span)
    end
    return left
end

-- How far the chain of versions reaches of whose moves all orders are marked: the ranges that are
-- told link up, in any order. `get` and `set` find and keep a range that does not link up yet.
local function advance(marked, version, after, seen_key, get, set)
    if after == 0 then
        redis.call('SADD', seen_key, SENTINEL)
        redis.call('PEXPIRE', seen_key, keep_ms)
        marked = math.max(marked or 0, version)
    elseif marked and after <= marked then
        marked = math.max(marked, version)
    elseif after < version then
        set(after, version)
    end
    while marked do
        local next_one = get(marked)
        if not next_one or next_one <= marked then break end
        set(marked, nil)
        marked = next_one
    end
    return marked
end

local function ranges_of(entry, prefix)
    local function get(after) return tonumber(redis.call('HGET', entry, prefix .. after) or nil) end
    local function set(after, version)
        if not version then
            redis.call('HDEL', entry, prefix .. after)
        elseif redis.call('HLEN', entry) < FIELDS_MAX then
            redis.call('HSET', entry, prefix .. after, version)
        end
    end
    return get, set
end

local function close_aged(entry, spans)
    for _, span in ipairs(spans) do
        if span < firm_from then redis.call('HDEL', entry, 'O' .. span) end
    end
end

local function tell_lot(entry, seen_key)
    local hashes = take_list()
    mark(seen_key, hashes)
    local closes = take_list()
    local count = tonumber(ARGV[at])
    at = at + 1
    local spans = (#closes > 0 or count > 0) and open_spans(entry) or {}
    local get, set = ranges_of(entry, 'R')
    for i = 1, count do
        local available, version = ARGV[at], tonumber(ARGV[at + 1])
        local after, id = tonumber(ARGV[at + 2]), ARGV[at + 3]
        local f = redis.call('HMGET', entry, 'version', 'marked')
        local there = tonumber(f[1] or -1)
        local marked = advance(tonumber(f[2] or nil), version, after, seen_key, get, set)
        at = at + 4
        if version > there then
            redis.call('HSET', entry, 'available', available, 'version', version, 'id', id, 'told', now)
        elseif version == there then
            redis.call('HSET', entry, 'told', now)
        end
        if marked then redis.call('HSET', entry, 'marked', marked) end
        if version >= there then close_aged(entry, spans) end
        redis.call('PEXPIRE', entry, keep_ms)
    end
    local base = string.gsub(seen_key, 'seen', 'open', 1)
    for _, span in ipairs(spans) do
        if #closes == 0 then break end
        closes = close_in(entry, base .. ':' .. span, span, closes)
    end
end

local function add_to_sums(entry, flavor, size, units)
    if units == 0 then return end
    redis.call('HINCRBY', entry, 'n:|', units)
    if flavor ~= '' then redis.call('HINCRBY', entry, 'n:' .. flavor .. '|', units) end
    if size ~= '' then redis.call('HINCRBY', entry, 'n:|' .. size, units) end
    if flavor ~= '' and size ~= '' then
        redis.call('HINCRBY', entry, 'n:' .. flavor .. '|' .. size, units)
    end
end

-- A lot's record among its sku's goods is "available:version:marked"; marked -1: nothing is.
local function tell_goods(entry, seen_key)
    mark(seen_key, take_list())
    take_list()
    local count = tonumber(ARGV[at])
    at = at + 1
    for i = 1, count do
        local available, version = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
        local after, lot = tonumber(ARGV[at + 2]), ARGV[at + 3]
        local flavor, size, whole = ARGV[at + 4], ARGV[at + 5], ARGV[at + 6] == '1'
        local record = redis.call('HGET', entry, 'l:' .. lot)
        local units, there, marked = 0, -1, nil
        local gap = 0
        at = at + 7
        if record then
            local a, v, m = string.match(record, '^(%-?%d+):(%-?%d+):(%-?%d+)$')
            units, there, marked = tonumber(a), tonumber(v), tonumber(m)
            if marked ~= there then gap = 1 end
            if marked < 0 then marked = nil end
        end
        local get, set = ranges_of(entry, 'r:' .. lot .. ':')
        marked = advance(marked, version, after, seen_key, get, set)
        if version > there then
            add_to_sums(entry, flavor, size, math.max(0, available) - math.max(0, units))
            units, there = available, version
        end
        redis.call('HSET', entry, 'l:' .. lot, units .. ':' .. there .. ':' .. (marked or -1))
        local gap_now = marked == there and 0 or 1
        if gap_now ~= gap then redis.call('HINCRBY', entry, 'gaps', gap_now - gap) end
        if whole then redis.call('HSET', entry, 'whole', 1, 'told', now) end
        redis.call('PEXPIRE', entry, keep_ms)
    end
end

for group = 1, #KEYS / 2 do
    local entry, seen_key = KEYS[2 * group - 1], KEYS[2 * group]
    local kind = ARGV[at]
    at = at + 1
    if kind == 'g' then tell_goods(entry, seen_key) else tell_lot(entry, seen_key) end
end
return #KEYS / 2
