-- Read a page, and keep the timeline for another while.
-- KEYS: one timeline. ARGV: limit, seconds to live, optionally the entry after which to begin.
-- Returns the entries in one string, marks included; nil when the timeline is cold or being built.
local limit, ttl, after = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local last = redis.call('LINDEX', KEYS[1], -1)
if not last or is_building(last) then return nil end
redis.call('EXPIRE', KEYS[1], ttl)
if not after then return table.concat(redis.call('LRANGE', KEYS[1], 0, limit - 1)) end

local start = 0
while true do
  local chunk = redis.call('LRANGE', KEYS[1], start, start + CHUNK - 1)
  for i, entry in ipairs(chunk) do
    if newer(after, entry) then
      local first = start + i - 1
      return table.concat(redis.call('LRANGE', KEYS[1], first, first + limit - 1))
    end
  end
  if #chunk < CHUNK then return '' end
  start = start + CHUNK
end
