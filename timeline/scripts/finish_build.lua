-- Join what the builder read in SQL with what was delivered meanwhile.
-- KEYS: one timeline. ARGV: the builder's mark, cap, seconds to live, entry... newest first.
-- Returns 1, or 0 when the builder's mark is gone (dropped or lapsed): then nothing is kept.
local mark, cap, ttl = ARGV[1], tonumber(ARGV[2]), ARGV[3]
if redis.call('LINDEX', KEYS[1], -1) ~= mark then return 0 end
local delivered = redis.call('LRANGE', KEYS[1], 0, -2)
redis.call('DEL', KEYS[1])
local d, r = 1, 4
for _ = 1, cap do
  local entry
  if d > #delivered and r > #ARGV then break end
  if r > #ARGV or (d <= #delivered and newer(delivered[d], ARGV[r])) then
    entry = delivered[d]
    d = d + 1
  else
    entry = ARGV[r]
    if delivered[d] == entry then d = d + 1 end
    r = r + 1
  end
  redis.call('RPUSH', KEYS[1], entry)
end
redis.call('EXPIRE', KEYS[1], ttl)
return 1
