-- Read a page of each timeline, and keep them for another while.
-- KEYS: timelines of one hash slot. ARGV: limit, seconds to live or '' to only look, the entry after
-- which to begin or ''.
-- Returns for each: {its tail, 1 when the page reaches it, the entries in one string}; nil when it is
-- cold or being built.
local limit, ttl, after = tonumber(ARGV[1]), ARGV[2], ARGV[3]

local function first_older(key)
  if after == '' then return 0 end
  local start = 0
  while true do
    local chunk = redis.call('LRANGE', key, start, start + CHUNK - 1)
    for i, entry in ipairs(chunk) do
      if newer(after, entry) then return start + i - 1 end
    end
    if #chunk < CHUNK then return start + #chunk end
    start = start + CHUNK
  end
end

local answers = {}
for i, key in ipairs(KEYS) do
  local tail = redis.call('LINDEX', key, -1)
  if not tail or kind_of(tail) == BUILDING then
    answers[i] = false
  else
    if ttl ~= '' then redis.call('EXPIRE', key, ttl) end
    local first, reached = first_older(key), 0
    local page = redis.call('LRANGE', key, first, first + limit - 1)
    if #page > 0 and is_tail(page[#page]) then
      page[#page] = nil
      reached = 1
    end
    answers[i] = {tail, reached, table.concat(page)}
  end
end
return answers
