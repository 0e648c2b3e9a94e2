"""The limits of the graph, of fan-out and of timelines."""

from __future__ import annotations

from socialfeed.settings.environment import _env

# How many accounts one user may follow. A home timeline is rebuilt from all of them.
FOLLOWING_LIMIT = _env.int("FOLLOWING_LIMIT", default=7500)
# Authors with more followers than this are not pushed to home timelines but pulled when those are
# read, so the work of a post is bounded. (Twitter's hybrid; the figure is where one delivery takes
# about a tenth of a second of one worker.) They are pushed again at 80 % of it.
FANOUT_PUSH_LIMIT = _env.int("FANOUT_PUSH_LIMIT", default=10_000)
# Timelines that one round trip delivers to; also the step of a delivery's cursor, which is saved
# now and then. The server does other work in between, as each hash slot's share of them (64) is a
# command of its own.
FANOUT_BATCH_SIZE = _env.int("FANOUT_BATCH_SIZE", default=5000)
# Entries of a timeline in Valkey, which may grow a fiftieth over that before it is trimmed; what is
# older comes from SQL.
TIMELINE_CAP = _env.int("TIMELINE_CAP", default=800)
# A timeline that nobody reads for so many days leaves Valkey.
TIMELINE_IDLE_DAYS = _env.int("TIMELINE_IDLE_DAYS", default=14)
# How many timelines an audit compares with SQL, some 10 ms each; 0: none.
TIMELINE_AUDIT_SAMPLE = _env.int("TIMELINE_AUDIT_SAMPLE", default=20)
