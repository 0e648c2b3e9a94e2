-- Take an entry out of a timeline.
-- KEYS: one timeline. ARGV: the entry. Returns how many went out.
local removed = call('LREM', KEYS[1], 1, ARGV[1])
-- The last entry of a cut timeline says where it is cut. Without any entry it has to be built again.
local top = call('LRANGE', KEYS[1], 0, 1)
if #top == 1 and kind_of(top[1]) == CUT then call('DEL', KEYS[1]) end
return removed
