-- Open a cold timeline for deliveries while its builder reads SQL.
-- KEYS: one timeline. ARGV: the token of the build lease (a header), the lease's milliseconds.
-- Returns 1 when the lease is taken, 0 when the timeline is warm or somebody else is building it.
if call('EXISTS', KEYS[1]) == 1 then return 0 end
call('RPUSH', KEYS[1], ARGV[1])
call('PEXPIRE', KEYS[1], ARGV[2])
return 1
