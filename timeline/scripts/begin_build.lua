-- Open a cold timeline for deliveries while its builder reads SQL.
-- KEYS: one timeline. ARGV: the builder's mark (a header), its lease in milliseconds.
-- Returns 1 for the one builder, 0 when the timeline is warm or somebody else is building it.
if call('EXISTS', KEYS[1]) == 1 then return 0 end
call('RPUSH', KEYS[1], ARGV[1])
call('PEXPIRE', KEYS[1], ARGV[2])
return 1
