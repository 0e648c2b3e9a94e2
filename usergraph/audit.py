"""Compares the counts of followers and of followed accounts with the rows; for the reconciler."""

from core.counters import CountAudit, ShownAudit
from usergraph.models import Follow

FOLLOWERS = CountAudit(Follow, "followee_id", if_column="follower_shown")
FOLLOWING = CountAudit(Follow, "follower_id", is_negative=True, if_column="followee_shown")
SHOWN = [
    ShownAudit(Follow, "follower_id", "follower_shown"),
    ShownAudit(Follow, "followee_id", "followee_shown"),
]
