-- Shared by all scripts. Entries are 16 bytes, (post_id, author_id) big-endian; see timeline/store.py.
-- Ids are compared as two 32-bit halves: Lua's numbers are exact to 2^53 only, and its string
-- comparison follows the server's locale.
local function newer(a, b)
  local a_high, a_low = struct.unpack('>I4I4', a)
  local b_high, b_low = struct.unpack('>I4I4', b)
  if a_high ~= b_high then return a_high > b_high end
  return a_low > b_low
end

local NO_POST = string.rep('\0', 8)   -- the id with which both marks begin
local END = string.rep('\0', 16)
local CHUNK = 64

local function is_building(last)
  return last ~= END and string.sub(last, 1, 8) == NO_POST
end
