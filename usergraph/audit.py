"""Are the counts of followers and of followed accounts what the rows say? For the reconciler."""

from __future__ import annotations

from collections.abc import Sequence

from core import counters
from core.counters import made_by


def _followers_sql(account: str) -> str:
    return f"SELECT count(*) FROM usergraph_follow WHERE followee_id = {account}"  # noqa: S608


def _following_sql(subject: str) -> str:
    return f"SELECT count(*) FROM usergraph_follow WHERE follower_id = -({subject})"  # noqa: S608


def follower_counts(*, user_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """(count, number of rows) of the followers of accounts, by account, in one snapshot."""
    return counters.compared(database="default", subject_ids=user_ids, truth_sql=_followers_sql)


def following_counts(*, user_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """(count, number of rows) of the accounts that accounts follow, likewise."""
    found = counters.compared(
        database="default", subject_ids=[*map(made_by, user_ids)], truth_sql=_following_sql
    )
    return {made_by(subject): compared for subject, compared in found.items()}


def correct_followers(*, user_id: int) -> None:
    """Set the count of an account's followers to the number of rows, even while others follow."""
    counters.correct(database="default", subject_id=user_id, truth_sql=_followers_sql)


def correct_following(*, user_id: int) -> None:
    """The same for the accounts that it follows."""
    counters.correct(database="default", subject_id=made_by(user_id), truth_sql=_following_sql)
