-- Shared by all scripts. A timeline is a list: a header, then entries, newest first. The docstring
-- of timeline/store.py describes both.
-- Ids are compared as two 32-bit halves: Lua's numbers are exact to 2^53 only, and its string
-- comparison follows the server's locale.
local call, unpack_ids = redis.call, struct.unpack
local COMPLETE, CUT, BUILDING = 'e', 'c', 'b'
local CHUNK = 64
-- Where the graph LSN begins in a header.
local LSN_AT = 2

local function newer(a, b)
  local a_high, a_low = unpack_ids('>I4I4', a)
  local b_high, b_low = unpack_ids('>I4I4', b)
  if a_high ~= b_high then return a_high > b_high end
  return a_low > b_low
end

local function kind_of(header) return string.sub(header, 1, 1) end
