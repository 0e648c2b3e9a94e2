"""Follows, and requests to follow.

A follow of a private account is a request, until the account accepts or declines it. Whether an
account is private is asked in the statement that writes the edge, or the request, and that also
locks the account's row: a change of its privacy comes before, or waits. So nobody follows a private
account unasked, and no request comes to a public one.

Each pair of users has an advisory lock. A block and an acceptance take it alone; a follow, and its
end, share it. So the second of two sees what the first has written.
"""

from collections.abc import Collection
from datetime import datetime
from hashlib import blake2b
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connections, transaction

from core.counters import CHANGE_SQL, count_sql
from core.http.problems import Conflict, Invalid, NotFound
from usergraph.events import FollowChanged, RequestsAccepted, follow_changed, requests_accepted
from usergraph.models import Follow, FollowRequest
from usergraph.related import newest

# A block between two users, whoever of them blocks.
BLOCK_BETWEEN = """
SELECT FROM usergraph_block
WHERE (blocker_id, blocked_id) IN ((edge.one, edge.other), (edge.other, edge.one))
"""
# Whether a user follows another, and how many accounts the user follows or asks to. It waits for a
# block of one by the other that is being written, so that the next statement sees it.
_FOLLOWING_SQL = f"""
SELECT pg_advisory_xact_lock_shared(%(pair)s),
    EXISTS (
        SELECT FROM usergraph_follow
        WHERE follower_id = asked.follower_id AND followee_id = %(followee_id)s
    ),
    {count_sql("-asked.follower_id")} + (
        SELECT count(*) FROM usergraph_followrequest WHERE follower_id = asked.follower_id
    )
FROM (SELECT %(follower_id)s::bigint AS follower_id) AS asked
"""  # noqa: S608  (a constant)
# The edges and the changes of both counts, in one statement: a follow is sent often.
_COUNTED_SQL = f"""
WITH {{before}} edge AS (
    {{edge}} RETURNING follower_id, followee_id, follower_shown, followee_shown
), counted AS (
    {CHANGE_SQL}
    SELECT followee_id, {{by}}, NULL::bigint FROM edge WHERE follower_shown
    UNION ALL SELECT -follower_id, {{by}}, NULL FROM edge WHERE followee_shown
){{after}}
SELECT {{found}}
"""  # noqa: S608  (a constant)
# A request from when the account was private has no meaning any more.
_FOLLOW_SQL = _COUNTED_SQL.format(
    before="",
    by=1,
    edge=f"""
    INSERT INTO usergraph_follow (follower_id, followee_id)
    SELECT one, other
    FROM (
        SELECT %(follower_id)s::bigint AS one, id AS other FROM users_user
        WHERE id = %(followee_id)s AND NOT is_private FOR KEY SHARE
    ) AS edge
    WHERE NOT EXISTS ({BLOCK_BETWEEN})
    ON CONFLICT DO NOTHING
    """,  # noqa: S608  (a constant)
    after=""", answered AS (
    DELETE FROM usergraph_followrequest AS request USING edge
    WHERE (request.follower_id, request.followee_id) = (edge.follower_id, edge.followee_id)
)""",
    found="EXISTS (SELECT FROM edge)",
)
_UNFOLLOW_SQL = _COUNTED_SQL.format(
    before="",
    by=-1,
    edge="""
    DELETE FROM usergraph_follow
    WHERE follower_id = %(follower_id)s AND followee_id = %(followee_id)s
    """,
    after=""", withdrawn AS (
    DELETE FROM usergraph_followrequest
    WHERE follower_id = %(follower_id)s AND followee_id = %(followee_id)s RETURNING id
)""",
    found="EXISTS (SELECT FROM edge), EXISTS (SELECT FROM withdrawn)",
)
# It finds nothing if the account is public, or gone, or a block is between the two; or if the
# request or the follow is there already.
_REQUEST_SQL = f"""
INSERT INTO usergraph_followrequest (follower_id, followee_id)
SELECT one, other
FROM (
    SELECT %(follower_id)s::bigint AS one, id AS other FROM users_user
    WHERE id = %(followee_id)s AND is_private FOR SHARE
) AS edge
WHERE NOT EXISTS ({BLOCK_BETWEEN}) AND NOT EXISTS (
    SELECT FROM usergraph_follow WHERE (follower_id, followee_id) = (edge.one, edge.other)
)
ON CONFLICT DO NOTHING
"""  # noqa: S608  (a constant)
# Deactivated accounts are not shown, and not counted.
_ACCEPT_SQL = _COUNTED_SQL.format(
    before="""
    accepted AS (
        DELETE FROM usergraph_followrequest
        WHERE followee_id = %(followee_id)s AND follower_id = ANY(%(follower_ids)s)
        RETURNING follower_id, followee_id
    ),
    """,
    by=1,
    edge=f"""
    INSERT INTO usergraph_follow (follower_id, followee_id, follower_shown, followee_shown)
    SELECT follower.id, followee.id, follower.is_active, followee.is_active
    FROM accepted AS edge (one, other)
    JOIN users_user AS follower ON follower.id = edge.one
    JOIN users_user AS followee ON followee.id = edge.other
    WHERE NOT EXISTS ({BLOCK_BETWEEN})
    ON CONFLICT DO NOTHING
    """,  # noqa: S608  (a constant)
    after="",
    found="ARRAY(SELECT follower_id FROM edge)",
)
# Others may change the account, or the block, between two statements.
_ATTEMPTS = 3


def follow_user(*, follower_id: int, followee_id: int) -> bool:
    """Make one user follow another, or ask to, if that account is private.

    Returns whether the first follows the other now. Who has done so before is told the same. Raises
    `Invalid` for oneself, `Conflict` over `FOLLOWING_LIMIT`, and `NotFound` if one of the accounts
    does not exist any more, or blocks the other.
    """
    if follower_id == followee_id:
        raise Invalid("You cannot follow yourself.", code="oneself")
    try:
        with transaction.atomic(using="default"):
            return _follow(follower_id, followee_id)
    except IntegrityError as error:
        raise NotFound("This account does not exist any more.") from error


def _follow(follower_id: int, followee_id: int) -> bool:
    edge: dict[str, Any] = {"follower_id": follower_id, "followee_id": followee_id}
    # Raw SQL: the ORM takes longer than the database.
    with connections["default"].cursor() as cursor:
        cursor.execute(_FOLLOWING_SQL, {**edge, "pair": pair_number(follower_id, followee_id)})
        _, follows_already, following = cursor.fetchone()
        if follows_already:
            return True
        for _ in range(_ATTEMPTS):
            if following >= settings.FOLLOWING_LIMIT:
                if FollowRequest.objects.filter(**edge).exists():
                    return False
                raise Conflict(
                    f"You follow {settings.FOLLOWING_LIMIT} accounts already, or ask to, which is "
                    "the limit. Unfollow some first.",
                    code="following_limit",
                )
            cursor.execute(_FOLLOW_SQL, edge)
            if cursor.fetchone()[0]:
                follow_changed.announce(FollowChanged(follower_id, followee_id))
                return True
            cursor.execute(_REQUEST_SQL, edge)
            if cursor.rowcount or FollowRequest.objects.filter(**edge).exists():
                return False
            # Another request was faster: it has written the same edge, or a block, or has made the
            # account public.
            if Follow.objects.filter(**edge).exists():
                return True
    raise NotFound("This account does not exist any more.")


def unfollow_user(*, follower_id: int, followee_id: int) -> bool:
    """Make one user stop following another, or asking to; returns False if they did neither."""
    edge = {"follower_id": follower_id, "followee_id": followee_id}
    with transaction.atomic(using="default"):
        with connections["default"].cursor() as cursor:
            # An acceptance comes before, and its follow is found, or finds no request.
            pair = pair_number(follower_id, followee_id)
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [pair])
            cursor.execute(_UNFOLLOW_SQL, edge)
            followed, asked = cursor.fetchone()
        if followed:
            follow_changed.announce(FollowChanged(follower_id, followee_id))
    return bool(followed or asked)


def accept_request(*, followee_id: int, follower_id: int) -> None:
    """Let a user follow an account that they have asked to follow. May be repeated.

    Raises `NotFound` if they have not asked, and do not follow.
    """
    with transaction.atomic(using="default"):
        accepted = _accept(followee_id, [follower_id])
    edge = Follow.objects.filter(followee_id=followee_id, follower_id=follower_id)
    if not accepted and not edge.exists():
        raise _no_request()


def decline_request(*, followee_id: int, follower_id: int) -> None:
    """Remove a request to follow an account. They are not told, and may ask again.

    Raises `NotFound` if there is none.
    """
    asked = FollowRequest.objects.filter(followee_id=followee_id, follower_id=follower_id)
    declined, _ = asked.delete()
    if not declined:
        raise _no_request()


def _no_request() -> NotFound:
    return NotFound("This user does not ask to follow you, or has withdrawn the request.")


def accept_all_requests(*, followee_id: int, limit: int) -> int:
    """Accept up to `limit` requests to follow a public account, the oldest first.

    Returns how many; 0 when none is left, or the account is private again. May be repeated.
    """
    with transaction.atomic(using="default"):
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "SELECT FROM users_user WHERE id = %s AND NOT is_private FOR SHARE", [followee_id]
            )
            if not cursor.rowcount:
                return 0
        asked = FollowRequest.objects.filter(followee_id=followee_id).order_by("pk")
        follower_ids = list(asked.values_list("follower_id", flat=True)[:limit])
        if follower_ids:
            _accept(followee_id, follower_ids)
    return len(follower_ids)


def _accept(followee_id: int, follower_ids: Collection[int]) -> bool:
    """Turn those requests that are there into follows; returns whether any was."""
    pairs = sorted(pair_number(followee_id, follower_id) for follower_id in follower_ids)
    parameters: dict[str, Any] = {"followee_id": followee_id, "follower_ids": list(follower_ids)}
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(pair) FROM unnest(%s::bigint[]) AS pair", [pairs]
        )
        cursor.execute(_ACCEPT_SQL, parameters)
        (accepted,) = cursor.fetchone()
    if accepted:
        requests_accepted.announce(
            RequestsAccepted(follower_ids=tuple(accepted), followee_id=followee_id)
        )
    return bool(accepted)


def asking_users(
    *, followee_id: int, after: int | None, limit: int
) -> list[tuple[int, int, datetime]]:
    """Up to `limit` active users who ask to follow a user, newest first: (user id, request id,
    since).

    `after`: the last request before.
    """
    requests = FollowRequest.objects.filter(followee_id=followee_id, follower__is_active=True)
    return newest(requests, "follower_id", "created_at", after=after, limit=limit)


def pair_number(user_id: int, other_id: int) -> int:
    """The number of the advisory lock of two users, in any order."""
    text = f"{min(user_id, other_id)} {max(user_id, other_id)}".encode()
    return int.from_bytes(blake2b(text, digest_size=8, person=b"pair").digest(), signed=True)
