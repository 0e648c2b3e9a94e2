-- Read a slice of each timeline, and extend their lives.
-- KEYS: timelines of one hash slot. ARGV: limit, seconds to live or '' to leave that as it is, the
-- cursor (an entry: begin with the first older one) or ''.
-- Returns for each: {its header, 1 when the slice reaches the end of the list, the entries in one
-- string}; nil when it is cold or being built.
local limit, ttl, cursor = tonumber(ARGV[1]), ARGV[2], ARGV[3]

local function first_older(key)
  local start = 1
  while true do
    local chunk = call('LRANGE', key, start, start + CHUNK - 1)
    for i, entry in ipairs(chunk) do
      if newer(cursor, entry) then return start + i - 1 end
    end
    if #chunk < CHUNK then return start + #chunk end
    start = start + CHUNK
  end
end

local answers = {}
for i, key in ipairs(KEYS) do
  local entries = call('LRANGE', key, 0, cursor == '' and limit or 0)
  local header = table.remove(entries, 1)
  if not header or kind_of(header) == BUILDING then
    answers[i] = false
  else
    if ttl ~= '' then call('EXPIRE', key, ttl) end
    if cursor ~= '' then
      local first = first_older(key)
      entries = call('LRANGE', key, first, first + limit - 1)
    end
    answers[i] = {header, #entries < limit and 1 or 0, table.concat(entries)}
  end
end
return answers
