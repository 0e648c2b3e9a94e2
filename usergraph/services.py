"""Writes of the follower graph."""

import uuid
from collections import Counter as Multiset
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from django.conf import settings
from django.db import IntegrityError, connections, transaction
from django.db.models import Q

from core import counters
from core.counters import CHANGE_SQL, made_by
from core.http.problems import Conflict, Invalid, NotFound
from usergraph import selectors, store
from usergraph.events import BlockChanged, FollowsRemoved, block_changed, follows_removed
from usergraph.follows import BLOCK_BETWEEN, pair_number
from usergraph.follows import follow_user as follow_user  # noqa: PLC0414  (for other apps, too)
from usergraph.follows import unfollow_user as unfollow_user  # noqa: PLC0414
from usergraph.models import (
    Block,
    CloseFriend,
    Follow,
    FollowRequest,
    Mute,
    PulledAuthor,
    Restriction,
)
from users.services import steady_account

_IMPORT_SQL = f"""
INSERT INTO usergraph_follow (follower_id, followee_id)
SELECT one, other FROM unnest(%s::bigint[], %s::bigint[]) AS edge (one, other)
WHERE NOT EXISTS ({BLOCK_BETWEEN})
ON CONFLICT DO NOTHING
RETURNING follower_id, followee_id, follower_shown, followee_shown
"""  # noqa: S608  (a constant)
# Whether a user blocks another, and the other way round.
_BLOCKS_SQL = """
SELECT
    EXISTS (SELECT FROM usergraph_block WHERE blocker_id = %(one)s AND blocked_id = %(other)s),
    EXISTS (SELECT FROM usergraph_block WHERE blocker_id = %(other)s AND blocked_id = %(one)s)
"""
# The edges that a step of a walk reaches, which of them change, and the counts of their other ends.
_SHOW_SQL = f"""
WITH reached AS (
    SELECT id FROM usergraph_follow
    WHERE {{side}}_id = %(user_id)s AND id > %(after)s
    ORDER BY id LIMIT %(limit)s FOR NO KEY UPDATE
), changed AS (
    UPDATE usergraph_follow AS edge SET {{side}}_shown = %(is_shown)s FROM reached
    WHERE edge.id = reached.id AND edge.{{side}}_shown <> %(is_shown)s
    RETURNING {{counted}}
), counted AS (
    {CHANGE_SQL}
    SELECT counted, %(by)s, NULL::bigint FROM changed AS changed (counted)
)
SELECT max(id) FROM reached
"""  # noqa: S608  (a constant)
_SHOW_FOLLOWER_SQL = _SHOW_SQL.format(side="follower", counted="edge.followee_id")
_SHOW_FOLLOWEE_SQL = _SHOW_SQL.format(side="followee", counted="-edge.follower_id")
# An author is pulled above FANOUT_PUSH_LIMIT followers, and pushed again at this share of it. The
# gap keeps one follower who comes and goes from changing the mode each time.
_PUSHED_AGAIN_AT = 0.8
MAX_BLOCKS = 10_000  # of one account
_NO_SUCH_USER = "There is no such user."
# Follower, followee, and whether each of them is shown.
_Edge = Sequence[int]


def block_user(*, blocker_id: int, blocked_id: int) -> bool:
    """Hide two people from each other, and end their follows and requests, and that one is a close
    friend of the other; returns False if it is done already.

    `blocked_id`: 0 stands for a user who does not exist. Raises `NotFound` for that one, and in the
    same way, after the same statements, for one who blocks the blocker; `Invalid` for oneself;
    `Conflict` over MAX_BLOCKS.
    """
    if blocker_id == blocked_id:
        raise Invalid("You cannot block yourself.", code="oneself")
    try:
        with transaction.atomic(using="default"):
            blocks_already, is_blocked = _blocks_between(blocker_id, blocked_id)
            if blocks_already:
                return False
            if is_blocked or not blocked_id:
                raise NotFound(_NO_SUCH_USER)
            if Block.objects.filter(blocker_id=blocker_id)[:MAX_BLOCKS].count() == MAX_BLOCKS:
                raise Conflict(
                    f"You block {MAX_BLOCKS} accounts already, which is the limit. End some blocks "
                    "first.",
                    code="block_limit",
                )
            Block.objects.create(blocker_id=blocker_id, blocked_id=blocked_id)
            block_changed.announce(BlockChanged(blocker_id, blocked_id))
            unfollow_user(follower_id=blocker_id, followee_id=blocked_id)
            unfollow_user(follower_id=blocked_id, followee_id=blocker_id)
            pair = {blocker_id, blocked_id}
            CloseFriend.objects.filter(owner_id__in=pair, member_id__in=pair).delete()
    except IntegrityError as error:
        raise NotFound(_NO_SUCH_USER) from error
    return True


def unblock_user(*, blocker_id: int, blocked_id: int) -> bool:
    """End a block; returns False if there was none. The follows that it has ended stay so."""
    with transaction.atomic(using="default"):
        blocks = Block.objects.filter(blocker_id=blocker_id, blocked_id=blocked_id)
        is_ended, _ = blocks.delete()
        if is_ended:
            block_changed.announce(BlockChanged(blocker_id, blocked_id))
    return bool(is_ended)


def _blocks_between(one: int, other: int) -> tuple[bool, bool]:
    """Whether one user blocks another, and the other way round. Nobody else writes a block, or a
    follow, between the two until the caller's transaction ends.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [pair_number(one, other)])
        # After the lock, and in a statement of its own: it sees what others have written till then.
        cursor.execute(_BLOCKS_SQL, {"one": one, "other": other})
        blocks, is_blocked = cursor.fetchone()
    return blocks, is_blocked


def show_account(*, user_id: int, after: int, limit: int, is_follower: bool) -> int | None:
    """Show an active account's edges on one side, hide a deactivated one's, and change the counts
    of the other ends.

    One step: up to `limit` edges above the id `after`, in which the account is the follower or the
    followee. Returns the last edge that it has reached, None at the end.
    """
    sql = _SHOW_FOLLOWER_SQL if is_follower else _SHOW_FOLLOWEE_SQL
    parameters = {"user_id": user_id, "after": after, "limit": limit}
    with steady_account(user_id=user_id) as is_active, connections["default"].cursor() as cursor:
        by = 1 if is_active else -1
        cursor.execute(sql, parameters | {"is_shown": is_active, "by": by})
        (reached,) = cursor.fetchone()
    return int(reached) if reached else None


def _count(edges: Iterable[_Edge], *, by: int) -> None:
    """Change the counts of followers and of followed accounts, in the caller's transaction."""
    deltas: Multiset[int] = Multiset()
    for follower_id, followee_id, follower_shown, followee_shown in edges:
        deltas[followee_id] += by * follower_shown
        deltas[made_by(follower_id)] += by * followee_shown
    changed = {subject_id: delta for subject_id, delta in deltas.items() if delta}
    if changed:
        counters.change_counts(database="default", deltas=changed)


def settle_counters(*, limit: int) -> int:
    """Fold counted follows into the durable counters, oldest first; returns how many changes."""
    changes = counters.pending_changes(database="default", limit=limit)
    counters.fold(database="default", change_ids=[change.id for change in changes])
    return len(changes)


def remove_follows_of_user(*, user_id: int, limit: int) -> int:
    """Remove up to `limit` edges to and from an account that is being deleted, and after the last
    its counters.

    Returns the number of removed edges; 0 when none is left. May be repeated.
    """
    with transaction.atomic(using="default"):
        edges = Follow.objects.filter(Q(follower_id=user_id) | Q(followee_id=user_id))
        columns = ("follower_id", "followee_id", "follower_shown", "followee_shown")
        locked = edges.order_by("pk").select_for_update()
        rows = list(locked.values_list("pk", *columns)[:limit])
        if rows:
            Follow.objects.filter(pk__in=[pk for pk, *_ in rows]).delete()
            _count([edge for _, *edge in rows], by=-1)
            follows_removed.announce(
                FollowsRemoved(
                    follower_ids=tuple({follower_id for _, follower_id, *_ in rows}),
                    followee_ids=tuple({followee_id for _, _, followee_id, *_ in rows}),
                )
            )
        else:
            counters.forget_counts(database="default", subject_ids=[user_id, made_by(user_id)])
    return len(rows)


def remove_relations_of_user(*, user_id: int, limit: int) -> int:
    """Remove up to `limit` blocks, mutes, requests to follow, or entries of lists, of and to an
    account that is being deleted.

    Returns how many; 0 when none is left. That others still have the id cached as hidden does no
    harm: nobody gets it again.
    """
    mine = [
        Block.objects.filter(Q(blocker_id=user_id) | Q(blocked_id=user_id)),
        Mute.objects.filter(Q(muter_id=user_id) | Q(muted_id=user_id)),
        FollowRequest.objects.filter(Q(follower_id=user_id) | Q(followee_id=user_id)),
        CloseFriend.objects.filter(Q(owner_id=user_id) | Q(member_id=user_id)),
        Restriction.objects.filter(Q(owner_id=user_id) | Q(member_id=user_id)),
    ]
    for rows in mine:
        ids = list(rows.order_by("pk").values_list("pk", flat=True)[:limit])
        if ids:
            rows.filter(pk__in=ids).delete()
            return len(ids)
    return 0


def drop_cached_user(*, user_id: int) -> None:
    """Remove from CACHE what a user's related people are (`store`), and the user's followers.

    CACHE down: raises.
    """
    store.FOLLOWED.drop([user_id])
    store.HIDDEN.drop([user_id])
    store.FRIENDLY.drop([user_id])
    store.drop_followers(author_ids=[user_id])


def drop_followers(*, author_ids: Iterable[int]) -> None:
    """Drop the cached followers of authors; the next fan-out loads them from SQL."""
    store.drop_followers(author_ids=author_ids)


def refresh_followed(*, viewer_ids: Collection[int]) -> None:
    """Refresh the cached values of whom viewers follow. CACHE down: raises."""
    store.FOLLOWED.refresh(viewer_ids)


@dataclass(frozen=True)
class DeliveryMode:
    """How an author's posts reach the followers: pushed to them, or pulled when they read.

    `change_token` is set while the mode is changing, until `finish_mode_change` is called with it.
    """

    is_pulled: bool
    change_token: uuid.UUID | None


def choose_delivery_mode(*, author_id: int) -> DeliveryMode:
    """Choose the mode by the number of followers; an unfinished change goes on before a new one."""
    limit = settings.FANOUT_PUSH_LIMIT
    if selectors.is_surely_pushed(author_id=author_id, limit=limit):
        return DeliveryMode(is_pulled=False, change_token=None)
    with transaction.atomic(using="default"):
        rows = PulledAuthor.objects.select_for_update()
        row = rows.filter(author_id=author_id).first()
        if row is None or row.state == PulledAuthor.State.PULLED:
            followers = selectors.follower_count(author_id=author_id, at_most=limit + 1)
            if row is None and followers > limit:
                row, _ = rows.get_or_create(author_id=author_id)
            elif row is not None and followers <= limit * _PUSHED_AGAIN_AT:
                row.state, row.change_token = PulledAuthor.State.LEAVING, uuid.uuid4()
                row.save()
    if row is None:
        return DeliveryMode(is_pulled=False, change_token=None)
    is_settled = row.state == PulledAuthor.State.PULLED
    return DeliveryMode(
        is_pulled=row.state != PulledAuthor.State.LEAVING,
        change_token=None if is_settled else row.change_token,
    )


def finish_mode_change(*, author_id: int, change_token: uuid.UUID) -> None:
    """End a mode change after all followers' home timelines were dropped; old tokens do nothing."""
    rows = PulledAuthor.objects.filter(author_id=author_id, change_token=change_token)
    rows.filter(state=PulledAuthor.State.LEAVING).delete()
    rows.filter(state=PulledAuthor.State.ENTERING).update(state=PulledAuthor.State.PULLED)


def import_follows(*, edges: Iterable[Sequence[int]], batch_size: int = 5000) -> Iterable[int]:
    """Insert many (follower_id, followee_id) pairs; yields the size of each batch.

    Existing edges are skipped, and those between people of whom one blocks the other; not those
    that are blocked while it runs. It announces nothing and drops no home timeline: the caller does
    that once, at the end.
    """
    remaining = iter(edges)
    while batch := list(islice(remaining, batch_size)):
        yield _insert(batch)


def _insert(batch: list[Sequence[int]]) -> int:
    followers, followees = map(list, zip(*batch, strict=True))
    # Raw SQL: the ORM would take most of the time of an import.
    with transaction.atomic(using="default"), connections["default"].cursor() as cursor:
        cursor.execute(_IMPORT_SQL, [followers, followees])
        if inserted := cursor.fetchall():
            _count(inserted, by=1)
    drop_followers(author_ids=set(followees))
    store.FOLLOWED.drop(set(followers))
    return len(batch)
