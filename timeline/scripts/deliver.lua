-- Put entries into timelines, each once and in its place. Cold timelines (no key) are skipped.
-- KEYS: timelines of one hash slot. ARGV: cap, entry...
-- Returns how many entries went in.
local cap = tonumber(ARGV[1])

-- For an entry that is not newer than the head: late, or delivered before.
local function insert(key, entry)
  local start = 0
  while true do
    local chunk = redis.call('LRANGE', key, start, start + CHUNK - 1)
    for _, other in ipairs(chunk) do
      if other == entry then return 0 end
      if newer(entry, other) then
        redis.call('LINSERT', key, 'BEFORE', other, entry)
        return 1
      end
    end
    -- Older than the last entry of a timeline that was cut off there: SQL answers for it.
    if #chunk < CHUNK then return 0 end
    start = start + CHUNK
  end
end

local delivered = 0
for _, key in ipairs(KEYS) do
  for i = 2, #ARGV do
    local entry = ARGV[i]
    local head = redis.call('LINDEX', key, 0)
    if not head then break end
    if newer(entry, head) then
      redis.call('LPUSH', key, entry)
      delivered = delivered + 1
    elseif entry ~= head then
      delivered = delivered + insert(key, entry)
    end
    if redis.call('LLEN', key) > cap then
      -- More has come than a timeline holds while it was being built: its builder's mark would be
      -- cut off, and what the builder has read be missing. The next read builds it again.
      if is_building(redis.call('LINDEX', key, -1)) then
        redis.call('DEL', key)
        break
      end
      redis.call('LTRIM', key, 0, cap - 1)
    end
  end
end
return delivered
