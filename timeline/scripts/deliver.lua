-- Put entries into timelines, each once and in its place. It skips cold timelines (no key), and those
-- whose build began after the delivery did: that build has read the posts itself.
-- KEYS: timelines of one hash slot. ARGV: cap, by how much a timeline may grow over it before it is
-- trimmed, the delivery's graph LSN or '', entry...
-- Returns how many entries went in.
-- In the usual case the entry is newer than all others, and takes two commands a timeline. A command
-- costs more than all the Lua here.
local cap, slack, lsn = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local lsn_high, lsn_low
if lsn ~= '' then lsn_high, lsn_low = unpack_ids('>I4I4', lsn) end

-- Insert an entry that is not the newest: it is late, or was delivered before. Returns the new
-- length, or 0 when nothing went in.
local function insert(key, header, entry)
  local start = 1
  while true do
    local chunk = call('LRANGE', key, start, start + CHUNK - 1)
    for _, other in ipairs(chunk) do
      if other == entry then return 0 end
      if newer(entry, other) then return call('LINSERT', key, 'BEFORE', other, entry) end
    end
    if #chunk < CHUNK then
      -- Older than the last entry of a list that is cut off there: SQL answers for it.
      if kind_of(header) == CUT then return 0 end
      return call('RPUSH', key, entry)
    end
    start = start + CHUNK
  end
end

local delivered = 0
for _, key in ipairs(KEYS) do
  local top = call('LRANGE', key, 0, 1)
  local header, newest = top[1], top[2]
  local is_due = header
  if header and lsn_high then
    local high, low = unpack_ids('>I4I4', header, LSN_AT)
    is_due = high < lsn_high or (high == lsn_high and low <= lsn_low)
  end
  if is_due then
    for i = 4, #ARGV do
      local entry, length = ARGV[i], 0
      if not newest or newer(entry, newest) then
        length = call('LINSERT', key, 'AFTER', header, entry)
        newest = entry
      elseif entry ~= newest then
        length = insert(key, header, entry)
      end
      if length > 0 then delivered = delivered + 1 end
      if length > cap + 1 then
        -- During the build more was delivered than a timeline holds: joining that with the
        -- builder's entries could leave a hole. So drop it; the next read builds it again.
        if kind_of(header) == BUILDING then
          call('DEL', key)
          break
        end
        if length > cap + 1 + slack then
          if kind_of(header) ~= CUT then
            header = CUT .. string.sub(header, 2)
            call('LSET', key, 0, header)
          end
          call('LTRIM', key, 0, cap)
        end
      end
    end
  end
end
return delivered
