-- Read a page of each timeline, and keep them for another while.
-- KEYS: timelines of one hash slot. ARGV: limit, seconds to live or '' to only look, the entry after
-- which to begin or ''.
-- Returns for each: {its header, 1 when the page reaches its end, the entries in one string}; nil
-- when it is cold or being built.
local limit, ttl, after = tonumber(ARGV[1]), ARGV[2], ARGV[3]

local function first_older(key)
  local start = 1
  while true do
    local chunk = call('LRANGE', key, start, start + CHUNK - 1)
    for i, entry in ipairs(chunk) do
      if newer(after, entry) then return start + i - 1 end
    end
    if #chunk < CHUNK then return start + #chunk end
    start = start + CHUNK
  end
end

local answers = {}
for i, key in ipairs(KEYS) do
  local page = call('LRANGE', key, 0, after == '' and limit or 0)
  local header = table.remove(page, 1)
  if not header or kind_of(header) == BUILDING then
    answers[i] = false
  else
    if ttl ~= '' then call('EXPIRE', key, ttl) end
    if after ~= '' then
      local first = first_older(key)
      page = call('LRANGE', key, first, first + limit - 1)
    end
    answers[i] = {header, #page < limit and 1 or 0, table.concat(page)}
  end
end
return answers
