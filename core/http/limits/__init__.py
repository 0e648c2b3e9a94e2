"""Rate limits: how often an address, and a user, may send requests. Counted in STATE.

`RATE_LIMITS` in the settings says how much each limit is. The library `limits` gives their text
form, their keys and the scripts that count.

- `ip`, `read` and `write` are fixed windows, which begin at the first request. `count_caller`
  counts them in the round trip that asks for the session.
- All others are moving windows: in no period as long as the window are there more requests than the
  limit. `count_strictly` counts one in one round trip.

The server counts each in one script, so of many requests at the same time exactly as many get
through as the limit says. One too many is answered 429 and its view does not run.

STATE down, or full: requests without a token go on uncounted, which is logged now and then; log-in,
sign-up, reset and a refresh with a token are answered 503. Requests with an access token cannot be
authenticated while STATE is down (503). While it is only full they go on uncounted, except uploads
(503).
"""
