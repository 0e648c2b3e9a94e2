"""A small world of people, and an oracle that says whom each may see, and what of theirs."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack

import orjson
from django.test import TestCase

from core.http.problems import NotFound
from core.outbox.delivery import deliver_event
from core.outbox.models import OutboxEvent
from posts.models import Audience
from posts.selectors import post_documents, post_refs, visible_post
from tests.support.posts_factory import make_posts
from usergraph.services import follow_user
from usergraph.visibility import visible_author_id, visible_page, visible_people, visible_user_id
from users import selectors as user_selectors
from users.models import User
from users.services import update_profile


class World:
    """The people, each with a post, and one for close friends; who blocks, follows or asks to
    follow whom; who is whose close friend; who is private, and who is not active.

    The test's transaction never commits: `change` makes up for that.
    """

    def __init__(self, ids: list[int]) -> None:
        self.ids = ids
        self.posts = {id_: make_posts(id_, 1)[0] for id_ in ids}
        friends = Audience.CLOSE_FRIENDS
        self.for_friends = {id_: make_posts(id_, 1, audience=friends)[0] for id_ in ids}
        self.names = dict(User.objects.filter(pk__in=ids).values_list("pk", "username"))
        self.blocks: set[tuple[int, int]] = set()
        self.requests: set[tuple[int, int]] = set()
        self.friends: set[tuple[int, int]] = set()  # (owner, close friend)
        self.inactive: set[int] = set()
        # Pairs whose request died after its commit: a worker has not made up for it yet.
        self.unsettled: set[frozenset[int]] = set()
        newest = OutboxEvent.objects.order_by("-pk").values_list("pk", flat=True).first()
        self._first_event = newest or 0
        # Half of what can leak needs a private account, or a follower of one.
        first, second, *_ = ids
        self.change(
            lambda: follow_user(follower_id=second, followee_id=first), pairs=[], dies=False
        )
        self.change(
            lambda: update_profile(user_id=first, changes={"is_private": True}),
            pairs=[],
            dies=False,
        )
        self.follows, self.private = {(second, first)}, {first}

    def change(
        self, act: Callable[[], object], *, pairs: Iterable[tuple[int, int]], dies: bool
    ) -> None:
        with ExitStack() as captures:
            calls = captures.enter_context(TestCase.captureOnCommitCallbacks(using="default"))
            act()
        if dies:
            self.unsettled.update(map(frozenset, pairs))
        for call in [] if dies else calls:
            call()

    def ids_of(self, both: tuple[int, int]) -> tuple[int, int]:
        return self.ids[both[0]], self.ids[both[1]]

    def pairs_of(self, one: int) -> list[tuple[int, int]]:
        return [(one, other) for other in self.ids]

    def settle(self) -> None:
        """What the sweeper does: deliver what is left, also of what that announces."""
        left = OutboxEvent.objects.filter(done_at=None, pk__gt=self._first_event)
        while events := list(left.values_list("pk", flat=True)):
            for event_id in events:
                deliver_event(database="default", event_id=event_id)
        accepted = {edge for edge in self.requests if edge[1] not in self.private}
        self.follows |= accepted
        self.requests -= accepted
        self.unsettled.clear()

    def end_edges(self, one: int, other: int) -> None:
        for edge in ((one, other), (other, one)):
            self.follows.discard(edge)
            self.requests.discard(edge)
            self.friends.discard(edge)

    def owned(self, viewer: int, other: int) -> Iterator[tuple[str, bool]]:
        """All ways in which one may see what another owns, and whether one does."""
        name, post_id = self.names[other], self.posts[other]
        people = visible_people(viewer_id=viewer, user_ids=self.ids, author_ids=self.ids)
        yield "author", other in people.authors
        yield "author by name", _finds(lambda: visible_author_id(viewer_id=viewer, username=name))
        yield "post", post_id in post_documents(post_ids=[post_id], viewer_id=viewer)
        yield "a post's parts", _finds(lambda: visible_post(post_id=post_id, viewer_id=viewer))

    def owned_for_friends(self, viewer: int, other: int) -> Iterator[tuple[str, bool]]:
        """The same of a post for close friends."""
        post_id = self.for_friends[other]
        yield "post", post_id in post_documents(post_ids=[post_id], viewer_id=viewer)
        yield "a post's parts", _finds(lambda: visible_post(post_id=post_id, viewer_id=viewer))
        named = post_refs(author_ids=[other], before=None, limit=9, viewer_id=viewer)
        yield "named by SQL", post_id in dict(named)

    def ways(self, viewer: int, other: int) -> Iterator[tuple[str, bool]]:
        """All ways in which one may see another, and whether one does."""
        name = self.names[other]
        yield "people", other in visible_people(viewer_id=viewer, user_ids=self.ids).documents
        rows = [(id_, id_) for id_ in self.ids]
        page, _ = visible_page(viewer_id=viewer, read=lambda *_: rows, after=None, limit=20)
        yield "list", str(other).encode() in orjson.dumps(page)
        yield "name", _finds(lambda: visible_user_id(viewer_id=viewer, username=name))
        yield "profile", _finds(lambda: user_selectors.profile(username=name, viewer_id=viewer))
        yield (
            "profile by id",
            _finds(lambda: user_selectors.profile_by_id(user_id=other, viewer_id=viewer)),
        )
        found, _ = user_selectors.search_users(typed=name, viewer_id=viewer, after=None, limit=9)
        yield "search", str(other) in [one["id"] for one in found]

    def check(self, viewer: int, other: int) -> None:
        is_blocked = bool({(viewer, other), (other, viewer)} & self.blocks)
        expected = other not in self.inactive and not is_blocked
        is_let_in = other not in self.private or (viewer, other) in self.follows
        if frozenset((viewer, other)) not in self.unsettled:
            seen = dict(self.ways(viewer, other))
            assert seen == dict.fromkeys(seen, expected)
            owned = dict(self.owned(viewer, other))
            assert owned == dict.fromkeys(owned, expected and is_let_in)
            is_friend = (other, viewer) in self.friends
            posts = dict(self.owned_for_friends(viewer, other))
            assert posts.pop("named by SQL") == is_friend
            assert posts == dict.fromkeys(posts, expected and is_let_in and is_friend)


def _finds(read: Callable[[], object]) -> bool:
    try:
        read()
    except NotFound:
        return False
    return True
