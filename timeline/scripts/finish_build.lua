-- Join what the builder read in SQL with what was delivered meanwhile.
-- KEYS: one timeline. ARGV: the token of the build lease, cap, seconds to live, 1 when SQL has
-- nothing older, the header from its graph LSN on, entry... newest first.
-- Returns 1, or 0 when the build lease is lost (dropped or lapsed): then nothing is stored.
local lease, cap, ttl, kind, rest = ARGV[1], tonumber(ARGV[2]), ARGV[3], COMPLETE, ARGV[5]
if call('LINDEX', KEYS[1], 0) ~= lease then return 0 end
if ARGV[4] == '0' then kind = CUT end
local delivered = call('LRANGE', KEYS[1], 1, -1)

-- The new list is made behind the old one, which then goes: on a cluster, a key that is gone for a
-- moment cannot be made again while its slot moves.
local batch = {}
local function push(element)
  batch[#batch + 1] = element
  if #batch == CHUNK then
    call('RPUSH', KEYS[1], unpack(batch))
    batch = {}
  end
end

push(kind .. rest)
local d, r, pushed, is_over = 1, 6, 0, false
while d <= #delivered or r <= #ARGV do
  if pushed == cap then
    is_over = true
    break
  end
  if r > #ARGV or (d <= #delivered and newer(delivered[d], ARGV[r])) then
    push(delivered[d])
    d = d + 1
  else
    if delivered[d] == ARGV[r] then d = d + 1 end
    push(ARGV[r])
    r = r + 1
  end
  pushed = pushed + 1
end
if #batch > 0 then call('RPUSH', KEYS[1], unpack(batch)) end
call('LTRIM', KEYS[1], 1 + #delivered, -1)
if is_over then call('LSET', KEYS[1], 0, CUT .. rest) end
call('EXPIRE', KEYS[1], ttl)
return 1
