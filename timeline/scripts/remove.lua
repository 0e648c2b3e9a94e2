-- Take an entry out of a timeline.
-- KEYS: one timeline. ARGV: the entry. Returns how many went out.
local removed = redis.call('LREM', KEYS[1], 1, ARGV[1])
-- A cut timeline knows by its last entry where it was cut; without any, it has to be built again.
local head = redis.call('LINDEX', KEYS[1], 0)
if head and is_tail(head) and kind_of(head) == CUT then redis.call('DEL', KEYS[1]) end
return removed
