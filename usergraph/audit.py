"""Compares the counts of followers and of followed accounts with the rows; for the reconciler."""

from core.counters import CountAudit
from usergraph.models import Follow

FOLLOWERS = CountAudit(Follow, "followee_id")
FOLLOWING = CountAudit(Follow, "follower_id", is_made_by=True)
