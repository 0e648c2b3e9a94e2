"""Limits of the graph, of fan-out and of timelines."""

from __future__ import annotations

from socialfeed.settings.environment import _env

# The number of accounts that a user may follow. A home timeline is built from all of them.
FOLLOWING_LIMIT = _env.int("FOLLOWING_LIMIT", default=7500)
# Posts of authors with more followers than this are not pushed to home timelines. They are pulled
# when a home timeline is read, so the work for a post is bounded. (Twitter's hybrid. A delivery to
# so many takes one worker about a tenth of a second.) Below 80 % of it they are pushed again.
FANOUT_PUSH_LIMIT = _env.int("FANOUT_PUSH_LIMIT", default=10_000)
# The number of timelines that one round trip delivers to, and by which a delivery's cursor grows.
# The server does other work in between: each of the 64 hash slots is a command of its own.
FANOUT_BATCH_SIZE = _env.int("FANOUT_BATCH_SIZE", default=5000)
# The number of entries of a timeline in Valkey. It may grow by a fiftieth more before it is
# trimmed. Older entries come from SQL.
TIMELINE_CAP = _env.int("TIMELINE_CAP", default=800)
# A timeline that is not read for so many days expires.
TIMELINE_IDLE_DAYS = _env.int("TIMELINE_IDLE_DAYS", default=14)
# The number of timelines that an audit compares with SQL, about 10 ms each; 0: no audit.
TIMELINE_AUDIT_SAMPLE = _env.int("TIMELINE_AUDIT_SAMPLE", default=20)
