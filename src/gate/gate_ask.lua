-- gate_ask.lua - asks of the gate, decided in Redis. gate_redis.c says what the keys hold.
--
-- KEYS: for each group its entry and the set of its seen orders.
-- ARGV: fresh_ms, limit_ms, keep_ms; then for each group what it is ('l' a lot, 'g' goods), for goods
--       the field of the sum, the number of asks, and for each ask the order's hash, quantity, mode.
-- Answers a flat list of numbers: for each group the lot's number (-1: nothing is known of it), and for
-- each ask units * 8 + verdict.
local TAKE, NEW, MAY_REFUSE, MARK, MARK_ONLY = 1, 2, 4, 8, 16
local PASS, SOLD_OUT, REPLAY, BLIND = 0, 1, 2, 3
local SENTINEL = '!' -- in a set of seen orders: nothing was lost from it
local CHUNK = 500

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local fresh_ms, limit_ms, keep_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local width = math.max(1, math.floor(limit_ms / 5))
local bucket = math.floor(now / width)
local firm_from = bucket - 5
local out, size, at = {}, 0, 4
local args, band = ARGV, bit.band
local REFUSED_AT_ONCE = { [TAKE + MAY_REFUSE + MARK] = true, [TAKE + NEW + MAY_REFUSE + MARK] = true }

local function chunks(command, key, list)
    for i = 1, #list, CHUNK do
        redis.call(command, key, unpack(list, i, math.min(#list, i + CHUNK - 1)))
    end
end

-- What is known of a lot: units that an ask may take, and those that are missing for certain.
local function read_lot(entry)
    local flat = redis.call('HGETALL', entry)
    local fields, open, firm = {}, 0, 0
    for i = 1, #flat, 2 do
        local name = flat[i]
        if string.byte(name) == 79 then -- O: open units of a span of time
            local units = tonumber(flat[i + 1])
            open = open + units
            if tonumber(string.sub(name, 2)) >= firm_from then firm = firm + units end
        else
            fields[name] = flat[i + 1]
        end
    end
    if not fields.version or not fields.available then return { id = -1 } end
    local available = tonumber(fields.available)
    return { known = true, id = tonumber(fields.id or 0), here = available - open,
             most = available - firm, chained = fields.marked == fields.version,
             told = tonumber(fields.told or 0), probe = tonumber(fields.probe or 0) }
end

-- Goods: an upper bound of what all lots that fit have.
local function read_goods(entry, sum)
    local f = redis.call('HMGET', entry, 'whole', 'told', 'probe', 'gaps', sum)
    local units = tonumber(f[5] or 0)
    return { known = f[1] == '1', id = f[1] == '1' and 0 or -1, here = units, most = units,
             chained = tonumber(f[4] or 0) == 0, told = tonumber(f[2] or 0),
             probe = tonumber(f[3] or 0) }
end

-- Which orders were seen (1 or 0); the last one says whether the set is what it was.
local function read_seen(key, count)
    local seen
    for i = 0, count - 1, CHUNK do
        local hashes, n = {}, 0
        for j = i, math.min(count, i + CHUNK) - 1 do
            n = n + 1
            hashes[n] = args[at + 3 * j]
        end
        hashes[n + 1] = SENTINEL
        local found = redis.call('SMISMEMBER', key, unpack(hashes))
        if not seen then
            seen = found
        else
            for j = 1, n + 1 do seen[i + j] = found[j] end
        end
    end
    return seen
end

for group = 1, #KEYS / 2 do
    local entry, seen_key = KEYS[2 * group - 1], KEYS[2 * group]
    local kind, lot = args[at], nil
    if kind == 'g' then
        lot = read_goods(entry, args[at + 1])
        at = at + 1
    else
        lot = read_lot(entry)
    end
    local count = tonumber(args[at + 1])
    at = at + 2
    local seen = read_seen(seen_key, count)
    local chained = lot.chained and seen[count + 1] == 1
    local may_probe = lot.known and now - lot.told >= fresh_ms and now - lot.probe >= fresh_ms
    local marks, marked, takes, taken, probed = {}, {}, {}, 0, false
    local sold_out = math.max(0, lot.most or 0) * 8 + SOLD_OUT
    size = size + 1
    out[size] = lot.id

    for i = 1, count do
        local hash = args[at]
        local quantity, mode = tonumber(args[at + 1]), tonumber(args[at + 2])
        at = at + 3
        size = size + 1
        if chained and lot.most < quantity and seen[i] == 0 and not may_probe and
            REFUSED_AT_ONCE[mode] and not marked[hash] then
            out[size] = sold_out -- the storm after a sell-out
        else
            local is_new = band(mode, NEW) ~= 0 or chained
            local was_seen = seen[i] == 1 or marked[hash]
            local verdict = BLIND
            if was_seen then
                verdict = REPLAY
            elseif band(mode, MARK_ONLY) ~= 0 or not lot.known then
                verdict = BLIND
            elseif not is_new then
                verdict = REPLAY
            elseif lot.here >= quantity then
                if band(mode, TAKE) ~= 0 then
                    verdict = PASS
                    lot.here = lot.here - quantity
                    lot.most = lot.most - quantity
                    sold_out = math.max(0, lot.most) * 8 + SOLD_OUT
                    taken = taken + quantity
                    takes[#takes + 1] = hash
                    takes[#takes + 1] = quantity
                end
            elseif lot.most >= quantity or band(mode, MAY_REFUSE) == 0 then
                verdict = BLIND
            elseif may_probe then
                may_probe, probed = false, true
            else
                verdict = SOLD_OUT
            end
            if verdict ~= SOLD_OUT and band(mode, MARK) ~= 0 and not was_seen then
                marked[hash] = true
                marks[#marks + 1] = hash
            end
            out[size] = verdict == SOLD_OUT and sold_out or verdict
        end
    end

    if #marks > 0 then
        chunks('SADD', seen_key, marks)
        redis.call('PEXPIRE', seen_key, keep_ms)
    end
    if taken > 0 then
        local open_key = string.gsub(seen_key, 'seen', 'open', 1) .. ':' .. bucket
        chunks('HSET', open_key, takes)
        redis.call('PEXPIRE', open_key, 20 * limit_ms)
        redis.call('HINCRBY', entry, 'O' .. bucket, taken)
    end
    if probed then redis.call('HSET', entry, 'probe', now) end
end
return out
