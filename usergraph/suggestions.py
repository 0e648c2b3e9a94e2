"""Whom a viewer might want to follow, and whom of their own people they find at a profile.

Both look at the follows of those whom the viewer follows: their lists are the viewer's to see. A
private account that the viewer does not follow is not suggested, and says nobody: who follows it is
its own. Each reads a bounded number of edges, in one query, however large the graph is.
"""

from collections.abc import Sequence
from typing import Any

import orjson
from django.db import connections, router

from core.sql import primary_reads
from usergraph.models import Follow
from usergraph.visibility import VisiblePeople, visible_people, with_viewer

# So many accounts that the viewer follows are asked, the newest, and so many follows of each.
FRIENDS, FOLLOWS_OF_EACH = 200, 100
# Of so many accounts that the viewer follows, a profile says whether they follow it.
KNOWN = 1000
NAMED = 3  # people beside a suggestion, or on a profile
MAX_SUGGESTIONS = 50

_SUGGESTED_SQL = f"""
WITH friend AS MATERIALIZED (
    SELECT followee_id AS id, mine.id AS edge_id FROM usergraph_follow AS mine
    WHERE follower_id = %(viewer_id)s AND followee_shown ORDER BY mine.id DESC LIMIT {FRIENDS}
), edge AS (
    SELECT friend.id AS friend_id, friend.edge_id, theirs.followee_id AS id
    FROM friend CROSS JOIN LATERAL (
        SELECT followee_id FROM usergraph_follow
        WHERE follower_id = friend.id AND followee_shown
        ORDER BY id DESC LIMIT {FOLLOWS_OF_EACH}
    ) AS theirs
), candidate AS (
    SELECT id, count(*) AS number,
        (array_agg(friend_id ORDER BY edge_id DESC))[1:{NAMED}] AS named
    FROM edge WHERE id <> %(viewer_id)s GROUP BY id
)
SELECT candidate.id, number, named
FROM candidate JOIN users_user AS account ON account.id = candidate.id
WHERE account.is_active AND NOT account.is_private
    AND NOT EXISTS (
        SELECT FROM usergraph_follow
        WHERE follower_id = %(viewer_id)s AND followee_id = candidate.id
    )
    AND NOT EXISTS (
        SELECT FROM usergraph_mute WHERE muter_id = %(viewer_id)s AND muted_id = candidate.id
    )
    AND NOT EXISTS (
        SELECT FROM usergraph_block WHERE (blocker_id, blocked_id) IN (
            (%(viewer_id)s, candidate.id), (candidate.id, %(viewer_id)s)
        )
    )
ORDER BY number DESC, candidate.id DESC LIMIT %(limit)s
"""  # noqa: S608  (constants)
_KNOWN_SQL = f"""
SELECT friend.id, count(*) OVER ()
FROM (
    SELECT followee_id AS id FROM usergraph_follow AS mine
    WHERE follower_id = %(viewer_id)s AND followee_shown ORDER BY mine.id DESC LIMIT {KNOWN}
) AS friend
JOIN usergraph_follow AS edge ON edge.follower_id = friend.id AND edge.followee_id = %(user_id)s
ORDER BY edge.id DESC LIMIT {NAMED}
"""  # noqa: S608  (constants)


def suggestions(*, viewer_id: int, limit: int) -> list[dict[str, Any]]:
    """Up to `limit` accounts that those whom the viewer follows follow most, and the viewer does
    not: {"user", "known_followers"}, whose `count` is that of the follows which were read. Two
    queries and one round trip.
    """
    rows = _read(_SUGGESTED_SQL, {"viewer_id": viewer_id, "limit": limit})
    asked = {id_ for user_id, _, named in rows for id_ in (user_id, *named)}
    people = visible_people(viewer_id=viewer_id, user_ids=asked, author_ids=asked)
    # Of a friend whose lists are not the viewer's to see any more, nothing is said.
    shown = [
        (user_id, number, named)
        for user_id, number, all_named in rows
        if user_id in people.authors
        and (named := [friend_id for friend_id in all_named if friend_id in people.authors])
    ]
    users = with_viewer(people, user_ids=[user_id for user_id, *_ in shown])
    return [
        {
            "user": orjson.Fragment(users[user_id]),
            "known_followers": _named(named, number, people),
        }
        for user_id, number, named in shown
    ]


def known_followers(*, user_id: int, viewer_id: int) -> dict[str, Any]:
    """How many of those whom the viewer follows follow a user, and the latest of them:
    {"count", "users"}; none of a private account that the viewer does not follow, or of one's own.
    """
    if user_id == viewer_id:
        return {"count": 0, "users": []}
    rows = _read(_KNOWN_SQL, {"viewer_id": viewer_id, "user_id": user_id})
    if not rows:
        return {"count": 0, "users": []}
    named = [id_ for id_, _ in rows]
    people = visible_people(viewer_id=viewer_id, user_ids={user_id, *named}, author_ids=[user_id])
    if user_id not in people.authors:
        return {"count": 0, "users": []}
    return _named(named, rows[0][1], people)


def _named(named: Sequence[int], number: int, people: VisiblePeople) -> dict[str, Any]:
    users = [orjson.Fragment(people.documents[id_]) for id_ in named if id_ in people.documents]
    return {"count": number, "users": users}


def _read(sql: str, parameters: dict[str, Any]) -> list[Any]:
    # From the primary: a replica may not know yet that a friend has removed the viewer.
    with primary_reads(), connections[router.db_for_read(Follow)].cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
