-- Join what the builder read in SQL with what was delivered meanwhile.
-- KEYS: one timeline. ARGV: the builder's mark, cap, seconds to live, 1 when SQL has nothing older,
-- the tail from its graph position on, entry... newest first.
-- Returns 1, or 0 when the builder's mark is gone (dropped or lapsed): then nothing is kept.
local mark, cap, ttl, kind, rest = ARGV[1], tonumber(ARGV[2]), ARGV[3], COMPLETE, ARGV[5]
if redis.call('LINDEX', KEYS[1], -1) ~= mark then return 0 end
if ARGV[4] == '0' then kind = CUT end
local delivered = redis.call('LRANGE', KEYS[1], 0, -2)
redis.call('DEL', KEYS[1])

local batch = {}
local function push(element)
  batch[#batch + 1] = element
  if #batch == CHUNK then
    redis.call('RPUSH', KEYS[1], unpack(batch))
    batch = {}
  end
end

local d, r, pushed = 1, 6, 0
while d <= #delivered or r <= #ARGV do
  if pushed == cap then
    kind = CUT
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
push(NO_POST .. kind .. rest)
if #batch > 0 then redis.call('RPUSH', KEYS[1], unpack(batch)) end
redis.call('EXPIRE', KEYS[1], ttl)
return 1
