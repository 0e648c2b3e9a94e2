"""An author with 50,000 followers: all see each post, and a post costs as much as for few."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import pytest
from django.conf import settings
from django.db import connections
from django.test.utils import CaptureQueriesContext

from posts.services import publish_post
from tests.support.client import Person, wait_until
from tests.support.feeds import (
    add_followers,
    ids_of,
    is_delivered,
    make_follow,
    make_many_posts,
    pages,
    remove_followers,
    walk,
)
from tests.support.images import jpeg_with_gps
from timeline import store
from timeline.keys import home_key
from timeline.services import drop_home_timelines
from usergraph.selectors import follower_count
from usergraph.services import drop_followers

FOLLOWERS, SAMPLED, LEAVING = 50_000, 40, 45_000
OLD_POSTS, LIMIT = 1700, 37
SMALL_FOLLOWERS, TIMED = 10, 9

pytestmark = pytest.mark.usefixtures("committed")

_LEAVE_SQL = """
DELETE FROM usergraph_follow WHERE id IN (
    SELECT id FROM usergraph_follow WHERE followee_id = %s AND follower_id <> ALL (%s) LIMIT %s
)
"""


@dataclass(frozen=True)
class Crowd:
    """An author with 50,000 followers. The sampled followers also follow a second author."""

    author: Person
    sampled: list[Person]
    # The posts before the test, newest first, by both authors in turn: of each more than the cap.
    old_post_ids: list[int]

    @property
    def author_id(self) -> int:
        return int(self.author.id)

    def assert_all_see(self, new_post_ids: list[int]) -> None:
        """Check each sampled follower's first page, and all pages of a warm and a cold one."""
        posts = new_post_ids + self.old_post_ids
        firsts = [ids_of(next(pages(follower, limit=LIMIT))) for follower in self.sampled]
        assert all(ids == posts[:LIMIT] for ids in firsts)
        drop_home_timelines(user_ids=[int(self.sampled[-1].id)])
        for follower in (self.sampled[0], self.sampled[-1]):
            assert walk(follower, limit=LIMIT) == posts

    def warm(self, followers: list[Person]) -> None:
        for follower in followers:
            next(pages(follower))

    def holders(self, post_id: int) -> int:
        """The number of sampled followers whose list in Valkey holds a post."""
        lists = [store.peek(key=home_key(int(follower.id))) for follower in self.sampled]
        return sum((post_id, self.author_id) in part.refs for part in lists if part)


def on_users(sql: str, *parameters: str | int | list[int]) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute(sql, list(parameters))


@pytest.fixture
def crowd(
    member: Callable[[str], Person],
    person: Callable[[str], int],
    unique: Callable[[str], str],
    measured: Callable[[str], None],
) -> Iterator[Crowd]:
    """An author who has not published since the followers came."""
    author, small, name = member("celebrity"), person("small"), unique("crowd")
    sampled = [member("fan") for _ in range(SAMPLED)]
    start = time.monotonic()
    add_followers(int(author.id), name, FOLLOWERS - SAMPLED)
    measured(f"{FOLLOWERS:,} followers inserted in {time.monotonic() - start:.1f} s")
    make_follow(sampled, [int(author.id), small])
    assert follower_count(author_id=int(author.id), at_most=FOLLOWERS + 1) == FOLLOWERS
    assert settings.FANOUT_PUSH_LIMIT < FOLLOWERS
    old_post_ids = make_many_posts([small, int(author.id)], OLD_POSTS)
    assert OLD_POSTS > 2 * settings.TIMELINE_CAP
    yield Crowd(author, sampled, old_post_ids)
    remove_followers(int(author.id), name)


def publish(person: Person) -> tuple[int, float]:
    """Post a picture over HTTP. Returns the post's id and the seconds until the answer."""
    body = {"caption": "Hello.", "media": [person.upload(jpeg_with_gps())["id"]]}
    start = time.monotonic()
    response = person.http.post("/api/v1/posts", json=body)
    seconds = time.monotonic() - start
    assert response.status_code == 201, response.text
    return int(response.json()["id"]), seconds


def delivered(post_id: int) -> float:
    return wait_until(lambda: is_delivered(post_id))


def become_pulled(crowd: Crowd) -> int:
    """Publish the first post, which moves the author over the limit. Returns its delivered id."""
    post_id, _ = publish(crowd.author)
    delivered(post_id)
    return post_id


def test_all_followers_see_each_post_at_once_and_still_do_when_most_have_left(
    crowd: Crowd, measured: Callable[[str], None]
) -> None:
    ids = [int(follower.id) for follower in crowd.sampled]
    crowd.warm(crowd.sampled[::2])
    first, _ = publish(crowd.author)
    measured(f"became pulled {delivered(first):.1f} s after the first post")
    crowd.warm(crowd.sampled[: SAMPLED // 2])

    # The first half is warm, the rest is cold; nobody waits for a delivery.
    new = [first]
    for _ in range(2):
        post_id, _ = publish(crowd.author)
        firsts = [ids_of(next(pages(follower, limit=3))) for follower in crowd.sampled]
        new = [post_id, *new]
        assert all(ids == (new + crowd.old_post_ids)[:3] for ids in firsts)
        delivered(post_id)
        assert crowd.holders(post_id) == 0, "readers pull it"
    crowd.assert_all_see(new)

    # Else the planner may take a table that has just been filled for an empty one.
    on_users("ANALYZE usergraph_follow")
    on_users(_LEAVE_SQL, crowd.author_id, ids, LEAVING)
    drop_followers(author_ids=[crowd.author_id])
    left = follower_count(author_id=crowd.author_id, at_most=FOLLOWERS)
    assert left == FOLLOWERS - LEAVING
    new = [publish(crowd.author)[0], *new]
    crowd.assert_all_see(new)  # still pulled
    delivered(new[0])
    drop_home_timelines(user_ids=ids)
    crowd.warm(crowd.sampled[::2])
    new = [publish(crowd.author)[0], *new]
    delivered(new[0])
    assert crowd.holders(new[0]) == SAMPLED // 2, "pushed to those who are warm"
    crowd.assert_all_see(new)
    measured(f"{SAMPLED} of {SAMPLED} sampled followers saw {len(new)} posts, once each")


def test_a_post_costs_its_author_the_same_whatever_the_number_of_followers(
    crowd: Crowd,
    member: Callable[[str], Person],
    unique: Callable[[str], str],
    round_trips: Callable[[], int],
    measured: Callable[[str], None],
) -> None:
    become_pulled(crowd)
    small = member("small")
    add_followers(int(small.id), unique("few"), SMALL_FOLLOWERS)
    people = {SMALL_FOLLOWERS: small, FOLLOWERS: crowd.author}

    seconds: dict[int, list[float]] = {followers: [] for followers in people}
    for _ in range(TIMED):
        for followers, author in people.items():
            post_id, answered = publish(author)
            seconds[followers].append(answered)
            delivered(post_id)
    for followers, times in seconds.items():
        measured(
            f"POST by an author with {followers:,} followers: median {median(times) * 1000:.0f} ms "
            f"of {TIMED}, at most {max(times) * 1000:.0f} ms"
        )

    def cost(author_id: int) -> tuple[int, int, int]:
        """The SQL queries to posts and to users, and the round trips, of one `publish_post`."""
        before = round_trips()
        with (
            CaptureQueriesContext(connections["posts"]) as posts,
            CaptureQueriesContext(connections["default"]) as users,
        ):
            publish_post(author_id=author_id, caption="Hello.", media_ids=[])
        return len(posts), len(users), round_trips() - before

    cost(int(small.id))  # opens the connections
    costs = {followers: cost(int(author.id)) for followers, author in people.items()}
    assert costs[FOLLOWERS] == costs[SMALL_FOLLOWERS]
    on_posts, on_default, trips = costs[FOLLOWERS]
    measured(f"{on_posts} queries to posts, {on_default} to users, {trips} round trips, for both")
