-- Shared by all scripts. A timeline is a list: entries, newest first, and a tail; timeline/store.py
-- says what is in them. Both begin with a big-endian id, and the tail's is 0, so it sorts below all.
-- Ids are compared as two 32-bit halves: Lua's numbers are exact to 2^53 only, and its string
-- comparison follows the server's locale.
local function newer(a, b)
  local a_high, a_low = struct.unpack('>I4I4', a)
  local b_high, b_low = struct.unpack('>I4I4', b)
  if a_high ~= b_high then return a_high > b_high end
  return a_low > b_low
end

local NO_POST = string.rep('\0', 8)
local COMPLETE, CUT, BUILDING = 'e', 'c', 'b'
local CHUNK = 64

local function is_tail(element) return string.sub(element, 1, 8) == NO_POST end
local function kind_of(tail) return string.sub(tail, 9, 9) end
local function position_of(tail) return string.sub(tail, 10, 17) end
