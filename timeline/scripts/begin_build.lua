-- Open a cold timeline for deliveries while its builder reads SQL.
-- KEYS: one timeline. ARGV: the builder's mark (a tail), its lease in milliseconds.
-- Returns 1 for the one builder, 0 when the timeline is warm or somebody else is building it.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
