"""Compares the counts of followers and of followed accounts with the rows; for the reconciler."""

from __future__ import annotations

from core.counters import CountAudit, made_by


def _followers_sql(account: str) -> str:
    return f"SELECT count(*) FROM usergraph_follow WHERE followee_id = {account}"  # noqa: S608


def _following_sql(subject: str) -> str:
    return f"SELECT count(*) FROM usergraph_follow WHERE follower_id = -({subject})"  # noqa: S608


FOLLOWERS = CountAudit("default", _followers_sql)
FOLLOWING = CountAudit("default", _following_sql, subject_of=made_by)
