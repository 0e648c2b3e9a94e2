"""The facts behind an explanation: read once, from the primaries and from CACHE."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from core.http.problems import NotFound
from core.ids import MAX_ID
from core.outbox.events import Event, Payload
from core.outbox.lookup import pending_event, rows_beside
from core.outbox.models import OutboxEvent
from posts import selectors as post_selectors
from posts.events import post_published
from timeline.selectors import HomeWhereabouts, Place, Whereabouts, home_whereabouts
from usergraph import selectors as graph_selectors
from usergraph.events import FollowChanged, MuteChanged, follow_changed, mute_changed
from usergraph.selectors import Edge
from users import selectors as user_selectors
from users.selectors import Account

MAX_NAMED = 10  # how many of the authors that a timeline pulls are named


@dataclass(frozen=True)
class Facts:
    """What is known of one post and one viewer."""

    viewer: Account
    post_id: int
    exists: bool
    is_for_close_friends: bool
    author_id: int | None  # from the post or, if it is deleted, from its outbox row
    author: Account | None
    edge: Edge | None
    followers: int  # counted to one more than FANOUT_PUSH_LIMIT
    row: OutboxEvent | None  # delivers the post; None if it is pruned or the post was imported
    pending_change: OutboxEvent | None  # a follow, mute or their end that is not delivered yet
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
    def is_for_others(self) -> bool:
        """Whether the post is for close friends of the author, and the viewer is none."""
        is_friend = self.is_own or (self.edge is not None and self.edge.is_close_friend)
        return self.is_for_close_friends and not is_friend

    @property
    def is_left_out(self) -> bool:
        """Whether a mute, a block or its audience keeps the post out of the timeline."""
        is_hidden = self.edge is not None and (self.edge.is_muted or self.edge.is_blocked)
        return is_hidden or self.is_for_others

    @property
    def expected(self) -> bool:
        """Whether SQL says that the timeline has the post."""
        may_see = self.is_own or (self.is_followed and not self.is_left_out)
        return self.exists and self.is_active and may_see

    @property
    def shown(self) -> bool:
        """Whether the next read shows the post: it finds an entry, and the post is visible."""
        is_blocked = self.edge is not None and self.edge.is_blocked
        is_visible = self.is_active and not (is_blocked or self.is_for_others)
        return self.where.is_named and self.exists and is_visible

    @property
    def holder(self) -> Whereabouts:
        """The timeline from which the next read would take the post."""
        home, profile = self.where.home, self.where.profile
        return home if profile is None or home.place is Place.LISTED else profile

    @property
    def has_passed(self) -> bool:
        """Whether the delivery is done for this viewer."""
        if self.row is None or self.row.done_at is not None:
            return True
        if self.is_own or self.where.profile is not None:
            return False  # each attempt delivers to the author's own timelines again
        return self.row.cursor >= self.viewer.user_id

    @property
    def viewer_name(self) -> str:
        return f"@{self.viewer.username}"

    @property
    def author_name(self) -> str:
        return f"@{self.author.username}" if self.author else f"user {self.author_id}"


def is_an_id(number: int) -> bool:
    """Whether a number can be an id."""
    return 0 < number < MAX_ID


def look_up(*, viewer_id: int, post_id: int) -> Facts:
    """Read all facts; raises `NotFound` when there is no such viewer."""
    viewer = user_selectors.accounts(user_ids=[viewer_id]).get(viewer_id)
    if viewer is None:
        raise NotFound(f"There is no user {viewer_id}.")
    found, row, author_id, for_friends = None, None, None, False
    where = HomeWhereabouts(Whereabouts(Place.MISSING), None, is_named=False)
    if is_an_id(post_id):
        found = post_selectors.author_of(post_id=post_id)
        for_friends = post_selectors.is_for_close_friends(post_id=post_id)
        row = rows_beside(
            database=post_published.database,
            kind=post_published.name,
            subject_id=post_id,
            subscriber="fanout",
            post_id=post_id,
        ).first()
        author_id = found if found is not None or row is None else int(row.payload["author_id"])
        where = home_whereabouts(viewer_id=viewer_id, post_id=post_id, author_id=author_id)
    named = where.home.pulled[:MAX_NAMED]
    accounts = user_selectors.accounts(user_ids=[*named, *([author_id] if author_id else [])])
    edge, followers, pending = None, 0, None
    if author_id is not None:
        edge = graph_selectors.edge(viewer_id=viewer_id, author_id=author_id)
        counted_to = settings.FANOUT_PUSH_LIMIT + 1
        followers = graph_selectors.follower_count(author_id=author_id, at_most=counted_to)
        pending = _pending(FollowChanged(viewer_id, author_id), follow_changed) or _pending(
            MuteChanged(viewer_id, author_id), mute_changed
        )
    return Facts(
        viewer=viewer,
        post_id=post_id,
        exists=found is not None,
        is_for_close_friends=for_friends,
        author_id=author_id,
        author=accounts.get(author_id) if author_id else None,
        edge=edge,
        followers=followers,
        row=row,
        pending_change=pending,
        where=where,
        pulled_names=[f"@{accounts[id_].username}" for id_ in named if id_ in accounts],
        now=timezone.now(),
    )


def _pending(payload: Payload, event: Event[Payload]) -> OutboxEvent | None:
    return pending_event(database=event.database, kind=event.name, payload=vars(payload))
