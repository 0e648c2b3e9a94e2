"""All that an explanation is made from: looked up once, from the primaries and from CACHE."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from core.http.problems import NotFound
from core.ids import MAX_ID
from core.outbox.lookup import pending_event, rows_beside
from core.outbox.models import OutboxEvent
from posts import selectors as post_selectors
from posts.events import post_published
from timeline.selectors import HomeWhereabouts, Place, Whereabouts, home_whereabouts
from usergraph import selectors as graph_selectors
from usergraph.events import follow_changed
from usergraph.selectors import Edge
from users import selectors as user_selectors
from users.selectors import Account

# Of the authors that a timeline pulls, so many are named.
MAX_NAMED = 10


@dataclass(frozen=True)
class Facts:
    """What is known of one post and one viewer."""

    viewer: Account
    post_id: int
    exists: bool
    author_id: int | None  # of the post or, when that is gone, by its outbox row
    author: Account | None
    edge: Edge | None
    followers: int  # counted to one more than FANOUT_PUSH_LIMIT
    row: OutboxEvent | None
    pending_follow: OutboxEvent | None
    where: HomeWhereabouts
    pulled_names: list[str]
    now: datetime

    @property
    def is_own(self) -> bool:
        return self.author_id == self.viewer.user_id

    @property
    def is_followed(self) -> bool:
        return self.edge is not None and self.edge.followed_since is not None

    @property
    def is_active(self) -> bool:
        return self.author is not None and self.author.is_active

    @property
    def is_hidden(self) -> bool:
        return self.edge is not None and self.edge.author_is_hidden and not self.is_own

    @property
    def expected(self) -> bool:
        """What SQL says should be."""
        may_see = self.is_own or (self.is_followed and not self.is_hidden)
        return self.exists and self.is_active and may_see

    @property
    def shown(self) -> bool:
        """What the next read answers: a post that it names, if it can still be shown."""
        return self.where.is_named and self.exists and self.is_active

    @property
    def holder(self) -> Whereabouts:
        """The timeline that the next read takes the post from, or would."""
        home, profile = self.where.home, self.where.profile
        return home if profile is None or home.place is Place.LISTED else profile

    @property
    def has_passed(self) -> bool:
        """Whether the delivery is done for this viewer."""
        if self.row is None or self.row.done_at is not None:
            return True
        if self.is_own or self.where.profile is not None:
            return False  # the author's own timelines are seen to anew by each attempt
        return self.row.cursor >= self.viewer.user_id

    @property
    def viewer_name(self) -> str:
        return f"@{self.viewer.username}"

    @property
    def author_name(self) -> str:
        return f"@{self.author.username}" if self.author else f"user {self.author_id}"


def is_an_id(number: int) -> bool:
    """Whether a number can be an id at all."""
    return 0 < number < MAX_ID


def look_up(*, viewer_id: int, post_id: int) -> Facts:
    """Read everything; raises `NotFound` when there is no such viewer."""
    viewer = user_selectors.accounts(user_ids=[viewer_id]).get(viewer_id)
    if viewer is None:
        raise NotFound(f"There is no user {viewer_id}.")
    found, row = None, None
    where = HomeWhereabouts(Whereabouts(Place.MISSING), None, is_named=False)
    if is_an_id(post_id):
        found = post_selectors.author_of(post_id=post_id)
        row = _publication(post_id)
    author_id = found if found is not None or row is None else int(row.payload["author_id"])
    if is_an_id(post_id):
        where = home_whereabouts(viewer_id=viewer_id, post_id=post_id, author_id=author_id)
    named = where.home.pulled[:MAX_NAMED]
    accounts = user_selectors.accounts(user_ids=[*named, *([author_id] if author_id else [])])
    edge, followers, pending = None, 0, None
    if author_id is not None:
        edge = graph_selectors.edge(viewer_id=viewer_id, author_id=author_id)
        counted_to = settings.FANOUT_PUSH_LIMIT + 1
        followers = graph_selectors.follower_count(author_id=author_id, at_most=counted_to)
        pending = _pending_follow(viewer_id, author_id)
    return Facts(
        viewer=viewer,
        post_id=post_id,
        exists=found is not None,
        author_id=author_id,
        author=accounts.get(author_id) if author_id else None,
        edge=edge,
        followers=followers,
        row=row,
        pending_follow=pending,
        where=where,
        pulled_names=[f"@{accounts[id_].username}" for id_ in named if id_ in accounts],
        now=timezone.now(),
    )


def _publication(post_id: int) -> OutboxEvent | None:
    """The row by which the post is delivered; None when it is pruned, or the post was imported."""
    return rows_beside(
        database=post_published.database,
        kind=post_published.name,
        subject_id=post_id,
        subscriber="fanout",
        post_id=post_id,
    ).first()


def _pending_follow(follower_id: int, followee_id: int) -> OutboxEvent | None:
    """A change of this edge that is still to be delivered."""
    return pending_event(
        database=follow_changed.database,
        kind=follow_changed.name,
        payload={"follower_id": follower_id, "followee_id": followee_id},
    )
