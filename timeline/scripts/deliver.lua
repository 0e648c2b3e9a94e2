-- Put entries into timelines, each once and in its place. Cold timelines (no key) are skipped, and
-- so are those whose build began after the delivery did: that build has read the posts itself.
-- KEYS: timelines of one hash slot. ARGV: cap, the delivery's graph position or '', entry...
-- Returns how many entries went in.
local cap, position = tonumber(ARGV[1]), ARGV[2]

-- For an entry that is not newer than the head: late, or delivered before. Returns the new length.
local function insert(key, tail, entry)
  local start = 0
  while true do
    local chunk = redis.call('LRANGE', key, start, start + CHUNK - 1)
    for _, other in ipairs(chunk) do
      if other == entry then return 0 end
      if newer(entry, other) then
        -- Older than the last entry of a timeline that was cut off there: SQL answers for it.
        if other == tail and kind_of(tail) == CUT then return 0 end
        return redis.call('LINSERT', key, 'BEFORE', other, entry)
      end
    end
    if #chunk < CHUNK then return 0 end
    start = start + CHUNK
  end
end

local delivered = 0
for _, key in ipairs(KEYS) do
  local tail = redis.call('LINDEX', key, -1)
  if tail and (position == '' or not newer(position_of(tail), position)) then
    for i = 3, #ARGV do
      local entry, length = ARGV[i], 0
      local head = redis.call('LINDEX', key, 0)
      if newer(entry, head) then
        length = redis.call('LPUSH', key, entry)
      elseif entry ~= head then
        length = insert(key, tail, entry)
      end
      if length > 0 then delivered = delivered + 1 end
      if length > cap + 1 then
        -- More has come than a timeline holds while it was being built: what the builder has read
        -- could not be joined without a hole. The next read builds it again.
        if kind_of(tail) == BUILDING then
          redis.call('DEL', key)
          break
        end
        tail = string.sub(tail, 1, 8) .. CUT .. string.sub(tail, 10)
        redis.call('LSET', key, -2, tail)
        redis.call('RPOP', key)
      end
    end
  end
end
return delivered
