"""A small world of home timelines, and an oracle that says what each viewer must see.

Five people post, also for close friends, follow or ask to, mute and block each other, on the real
services and servers.
There is no broker: deliveries wait in the outbox until the test runs one, late, twice, or only in
part. The test can also run steps *inside* other steps, where another process could interrupt: while
a timeline is being built, and after a delivery has read the followers and before it writes.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from typing import Any

import pytest
from django.conf import settings
from django.test import TestCase

from core.http.problems import NotFound
from core.outbox.delivery import deliver_event
from core.outbox.models import OutboxEvent
from core.outbox.tasks import deliver_event as wake_up
from core.valkey import cache_valkey
from posts.models import Audience
from posts.services import delete_post, publish_post
from timeline import pages, store
from timeline import services as timeline_services
from timeline.keys import home_key, profile_key
from timeline.pages import home_page
from usergraph.follows import accept_all_requests, accept_request
from usergraph.keys import followers_key, followers_lease_key, friendly_key
from usergraph.mutes import mute_user, unmute_user
from usergraph.own_lists import add_close_friend, remove_close_friend
from usergraph.services import block_user, follow_user, unblock_user, unfollow_user
from users.services import update_profile

PEOPLE = 5
CAP = 6
SETTINGS = {"TIMELINE_CAP": CAP, "FANOUT_BATCH_SIZE": 2, "FANOUT_PUSH_LIMIT": 3}
LIMITS = (1, 3, 5, 8, 13, 30)
DATABASES = ("default", "posts")
PUBLISHED = "post_published"

Edge = tuple[int, int]  # (follower, followee), or the like, as numbers of people or as their ids


class Killed(Exception):
    """The process that runs a delivery is killed here."""


class World:
    """The people, what they have done, and the oracle.

    It changes settings in place: the test has overridden those in SETTINGS.
    """

    def __init__(self, people: list[int]) -> None:
        self.people = people
        self.follows: set[Edge] = set()
        self.requests: set[Edge] = set()
        self.private: set[int] = set()
        self.mutes: set[Edge] = set()  # (muter, muted)
        self.blocks: set[Edge] = set()  # (blocker, blocked)
        self.friends: set[Edge] = set()  # (owner, close friend)
        self.for_friends: set[int] = set()  # posts
        self.authors: dict[int, int] = {}  # author by post, of posts that exist
        self.events: list[int] = []  # of all published posts, delivered or not
        self.undelivered: dict[int, int] = {}  # post by event, while its delivery is not done
        self.cursors: dict[int, int | None] = {}  # of each viewer's next page
        self.random = Random(0)
        self.pages = 0
        self._others: list[list[str]] = []
        self._edge: Edge = (0, 0)
        self._batches_left: int | None = None
        self._delivering: set[int] = set()
        self.set_push_limit(SETTINGS["FANOUT_PUSH_LIMIT"])

    # --- The oracle -----------------------------------------------------------------------------

    def expected(self, viewer: int, before: int | None) -> list[int]:
        """The posts that a viewer must see, newest first; only those older than `before`."""
        shown = {followee for follower, followee in self.follows - self.mutes if follower == viewer}
        seen = {viewer, *shown}
        friendly = {viewer, *(owner for owner, friend in self.friends if friend == viewer)}
        posts = [
            post
            for post, author in self.authors.items()
            if author in seen and (post not in self.for_friends or author in friendly)
        ]
        return sorted((p for p in posts if before is None or p < before), reverse=True)

    def check_page(self, viewer: int, before: int | None, limit: int) -> int | None:
        """Read a page and compare it with the oracle. Returns the next cursor."""
        page = home_page(viewer_id=viewer, cursor=before, limit=limit)
        self.pages += 1
        # A viewer may or may not see a post whose delivery is not done.
        expected, optional = self.expected(viewer, before), {*self.undelivered.values()}
        got, cursor = list(page.documents), page.next_cursor
        wanted = [post for post in expected if post in got or post not in optional]
        assert got == wanted[:limit], f"{got} instead of {wanted[:limit]} (limit {limit})"
        assert len(got) == limit or cursor is None, "only the last page is short"
        if cursor is None:
            assert got == wanted, "the end came too early"
        return cursor

    def check(self, viewer: int) -> None:
        """Check a viewer's home timeline from the top to the end, in pages of random sizes."""
        cursor = self.check_page(viewer, None, self.random.choice(LIMITS))
        while cursor is not None:
            cursor = self.check_page(viewer, cursor, self.random.choice(LIMITS))

    # --- Steps: numbers stand for people, posts and deliveries ------------------------------------

    def _person(self, number: int) -> int:
        return self.people[number % PEOPLE]

    def publish(self, *edge: int, dies: bool = False, for_friends: bool = False) -> None:
        """Publish a post by `edge[-1]`. `dies`: kill the request after its commit."""
        author = self._person(edge[-1])
        audience = Audience.CLOSE_FRIENDS if for_friends else Audience.EVERYONE
        with self._committing(dies):
            post = publish_post(author_id=author, caption="", media_ids=[], audience=audience)
        self.authors[post] = author
        if for_friends:
            self.for_friends.add(post)
        newest = OutboxEvent.objects.using("posts").filter(kind=PUBLISHED).order_by("-id")
        self.events.append(newest.values_list("pk", flat=True)[0])
        self.undelivered[self.events[-1]] = post

    def publish_and_deliver(self, *edge: int) -> None:
        """Publish a post and deliver it."""
        self.publish(*edge)
        self.deliver(-1)

    def publish_to_friends(self, *edge: int) -> None:
        """Publish a post for close friends, and deliver it."""
        self.publish(*edge, for_friends=True)
        self.deliver(-1)

    def befriend(self, friend: int, owner: int) -> None:
        """Make a follower a close friend of whom they follow, or end it."""
        edge = self._person(owner), self._person(friend)
        if edge[0] != edge[1] and not {edge, edge[::-1]} & self.blocks:
            change = remove_close_friend if edge in self.friends else add_close_friend
            with self._committing():
                change(owner_id=edge[0], friend_id=edge[1])
            self.friends ^= {edge}

    def delete(self, number: int, *_: int) -> None:
        if self.authors:
            post = list(self.authors)[number % len(self.authors)]
            with self._committing():
                delete_post(post_id=post, author_id=self.authors.pop(post))

    def follow(self, follower: int, followee: int) -> None:
        if self._person(follower) != self._person(followee):
            edge = self._person(follower), self._person(followee)
            if {edge, edge[::-1]} & self.blocks:
                with pytest.raises(NotFound):
                    follow_user(follower_id=edge[0], followee_id=edge[1])
                return
            with self._committing():
                follows = follow_user(follower_id=edge[0], followee_id=edge[1])
            assert follows == (edge in self.follows or edge[1] not in self.private)
            (self.follows if follows else self.requests).add(edge)

    def unfollow(self, follower: int, followee: int) -> None:
        edge = self._person(follower), self._person(followee)
        with self._committing():
            unfollow_user(follower_id=edge[0], followee_id=edge[1])
        self.follows.discard(edge)
        self.requests.discard(edge)

    def accept(self, follower: int, followee: int) -> None:
        edge = self._person(follower), self._person(followee)
        if edge in self.requests:
            with self._committing():
                accept_request(follower_id=edge[0], followee_id=edge[1])
            self.requests.discard(edge)
            self.follows.add(edge)

    def close_or_open(self, _: int, number: int) -> None:
        """Make a public account private; or a private one public, and accept all requests."""
        person = self._person(number)
        self.private ^= {person}
        with self._committing():
            update_profile(user_id=person, changes={"is_private": person in self.private})
        with self._committing():
            accept_all_requests(followee_id=person, limit=PEOPLE)
        if person not in self.private:
            accepted = {edge for edge in self.requests if edge[1] == person}
            self.follows |= accepted
            self.requests -= accepted

    def mute(self, muter: int, muted: int) -> None:
        edge = self._person(muter), self._person(muted)
        if edge[0] != edge[1]:
            with self._committing():
                mute_user(muter_id=edge[0], muted_id=edge[1])
            self.mutes.add(edge)

    def unmute(self, muter: int, muted: int) -> None:
        edge = self._person(muter), self._person(muted)
        with self._committing():
            unmute_user(muter_id=edge[0], muted_id=edge[1])
        self.mutes.discard(edge)

    def block(self, blocker: int, blocked: int) -> None:
        edge = self._person(blocker), self._person(blocked)
        if edge[0] != edge[1] and edge[::-1] not in self.blocks:
            with self._committing():
                block_user(blocker_id=edge[0], blocked_id=edge[1])
            self.blocks.add(edge)
            self.follows -= {edge, edge[::-1]}
            self.requests -= {edge, edge[::-1]}
            self.friends -= {edge, edge[::-1]}

    def unblock(self, blocker: int, blocked: int) -> None:
        edge = self._person(blocker), self._person(blocked)
        with self._committing():
            unblock_user(blocker_id=edge[0], blocked_id=edge[1])
        self.blocks.discard(edge)

    def deliver(self, number: int, *, dies_after: int | None = None) -> None:
        """Run a delivery, also one that is done. `dies_after`: kill it after so many batches."""
        if not self.events:
            return
        event_id = self.events[number % len(self.events)]
        if event_id in self._delivering:
            return  # this step interrupts that delivery
        row = OutboxEvent.objects.using("posts").filter(pk=event_id)
        if event_id not in self.undelivered and dies_after is None:
            row.update(done_at=None, cursor=0)
        self._delivering.add(event_id)
        self._batches_left = dies_after
        try:
            if deliver_event(database="posts", event_id=event_id):
                self.undelivered.pop(event_id, None)
        except Killed:
            row.update(lease_until=None)
        finally:
            self._batches_left = None
            self._delivering.discard(event_id)

    def evict(self, number: int) -> None:
        """Evict one key, as the server does when it needs memory."""
        keys = self._keys()
        cache_valkey().unlink(keys[number % len(keys)])

    def clean_up(self) -> None:
        """Delete all keys of this world from CACHE."""
        cache_valkey().unlink(*self._keys())

    def _keys(self) -> list[str]:
        kinds = [home_key, profile_key, followers_key, followers_lease_key, friendly_key]
        return [kind(person) for kind in kinds for person in self.people]

    def evict_two(self, viewer: int, author: int) -> None:
        """Evict the viewer's home timeline and the author's profile timeline."""
        keys = [home_key(self._person(viewer)), profile_key(self._person(author))]
        cache_valkey().unlink(*keys)

    def set_push_limit(self, followers: int) -> None:
        """Change the push limit. Authors may cross it although no follower comes or goes."""
        settings.FANOUT_PUSH_LIMIT = followers

    def read(self, viewer: int, *_: int, limit: int = 3) -> None:
        """Check a viewer's next page; after the last page, the first."""
        person = self._person(viewer)
        self.cursors[person] = self.check_page(person, self.cursors.get(person), limit)

    # --- Steps inside steps ---------------------------------------------------------------------

    def run_interrupted(self, outer: str, edge: Edge, others: list[list[str]]) -> None:
        """Run `outer`. At each interruption point run the next list of steps in `others`."""
        self._others, self._edge = list(others), edge
        try:
            if outer == "deliver":
                self.deliver(-1)
            else:  # this page may be outdated; the check below reads a new one
                home_page(viewer_id=self._person(edge[0]), limit=4)
        finally:
            self._others = []
        self.check(self._person(edge[0]))

    def maybe_interrupt(self, *, is_batch: bool = False) -> None:
        """An interruption point: run other steps here, or kill the delivery before a batch."""
        if is_batch and self._batches_left is not None:
            if self._batches_left == 0:
                raise Killed
            self._batches_left -= 1
        if self._others:
            names, *rest = self._others
            self._others = []
            for name in names:
                getattr(self, name)(*self._edge)
            self._others = rest

    @contextmanager
    def _committing(self, dies: bool = False) -> Iterator[None]:
        """Run the on-commit callbacks at the end, although the test's transaction never commits."""
        with ExitStack() as captures:
            after = [
                captures.enter_context(TestCase.captureOnCommitCallbacks(using=database))
                for database in DATABASES
            ]
            yield
        for callback in [] if dies else [callback for calls in after for callback in calls]:
            callback()


def install_interruptions(monkeypatch: pytest.MonkeyPatch, world: Callable[[], World]) -> None:
    """Patch the interruption points into the services, and remove the broker."""

    def before(module: Any, name: str, *, is_batch: bool = False) -> None:
        function = getattr(module, name)

        def call(**arguments: Any) -> Any:
            world().maybe_interrupt(is_batch=is_batch)
            return function(**arguments)

        monkeypatch.setattr(module, name, call)

    def after(module: Any, name: str) -> None:
        function = getattr(module, name)

        def call(**arguments: Any) -> Any:
            answer = function(**arguments)
            world().maybe_interrupt()
            return answer

        monkeypatch.setattr(module, name, call)

    monkeypatch.setattr(wake_up, "apply_async", lambda **_: None)
    monkeypatch.setattr(pages, "SECOND_STEP", 2)
    after(store, "begin_build")
    before(store, "finish_build")
    before(store, "read_many")
    before(timeline_services, "deliver_to_home_timelines", is_batch=True)
    before(timeline_services, "drop_home_timelines", is_batch=True)
